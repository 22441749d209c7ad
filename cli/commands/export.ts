import { exportFormats, type ExportSummary, SPDX } from "../../train/interop/export_types.ts";
import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts, InvalidArgumentError, Option } from "../deps.ts";
import { UsageError } from "../errors.ts";
import { jsonOption, threeNumbers, wholeNumber } from "../options.ts";
import { dirname, makeWritableFolder } from "../paths.ts";

/** `spark3d export`: hands a network over to nnssl, nnU-Net, Spark3D elsewhere, or an ONNX runtime. */
export function exportCommand(context: CommandContext): CommandUnknownOpts {
  return new Command()
    .description(
      "Hands a network over: nnssl and nnunet are PyTorch files with the dictionaries that these programs read, safetensors is " +
        "what finetune --from and predict --model take, onnx is for any ONNX runtime. A model card, README.md, is written " +
        "beside the file; it holds counts and settings, and names no subjects, cases or paths.",
    )
    .argument("<source>", "run folder, checkpoint, or file of PyTorch or safetensors")
    .addOption(
      new Option("--format <name>", "form of the file").choices(exportFormats).makeOptionMandatory(),
    )
    .requiredOption("--out <file>", "file to write")
    .option("--card <file>", "write the model card here instead of beside the file")
    .option("--no-card", "write no model card")
    .option(
      "--licence <spdx>",
      "licence of the weights, such as CC-BY-4.0 (default: that of the source, else unstated)",
      licence,
    )
    .addOption(
      new Option("--part <name>", "onnx: part of the network (default: what it was trained for)")
        .choices(["encoder", "reconstruction", "segmentation"] as const),
    )
    .option("--batch <n>", "onnx: images of a call, or dynamic (default: dynamic)", batchSize)
    .option(
      "--patch <size>",
      "onnx: size of the image, voxels (default: dynamic)",
      threeNumbers(wholeNumber(1)),
    )
    .addOption(jsonOption())
    .action(async (source, options) => {
      const { format, out, card, licence, part, batch, patch } = options;
      if (format !== "onnx") {
        for (const [name, value] of Object.entries({ part, batch, patch })) {
          if (value !== undefined) {
            throw new UsageError(`--${name} goes with --format onnx, not with ${format}: leave it out`);
          }
        }
      }
      const { exportModel } = await import("../../train/interop/export_model.ts");
      await makeWritableFolder(dirname(out));
      const summary = await exportModel({
        from: source,
        format,
        out,
        ...(typeof card === "string" ? { card } : card === false ? { card: null } : {}),
        licence,
        part,
        batch,
        patch,
      });
      for (const note of summary.notes) context.output.log(`note: ${note}`);
      context.output.result({ ...summary }, summaryText(summary));
    }) as unknown as CommandUnknownOpts;
}

/** Parser of an SPDX identifier. */
function licence(text: string): string {
  if (!SPDX.test(text)) {
    throw new InvalidArgumentError("Expected an SPDX identifier, such as CC-BY-4.0.");
  }
  return text;
}

/** Parser of a number of images, or `dynamic`. */
function batchSize(text: string): number | "dynamic" {
  return text === "dynamic" ? text : wholeNumber(1)(text);
}

function summaryText({ files, tensors, parameters, bytes }: ExportSummary): string {
  const [file, ...beside] = files;
  const facts = `${parameters.toLocaleString("en-US")} parameters under ${tensors} names, ${
    (bytes / 2 ** 20).toFixed(1)
  } MiB`;
  return [`${file}: ${facts}`, ...beside].join("\n");
}
