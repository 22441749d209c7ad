import type { ModelFile } from "../../train/interop/types.ts";
import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts } from "../deps.ts";
import { modelText } from "../model_text.ts";
import { jsonOption } from "../options.ts";
import { visibleText } from "../visible_text.ts";

/** `spark3d inspect`: what a file of weights holds. */
export function inspectCommand(context: CommandContext): CommandUnknownOpts {
  return new Command()
    .description(
      "Says what a file of weights holds: architecture, parameters, training, adaptation plan, and what each key stands for. " +
        "Reads run folders, safetensors, and checkpoints of nnssl and nnU-Net; nothing in a file is ever run.",
    )
    .argument("<file>", "run folder, safetensors file, or .pth")
    .option("--plans <file>", "plans.json of nnU-Net or nnssl, where the file has none")
    .option("--tensors", "also list every tensor, and every key that was left out")
    .addOption(jsonOption())
    .action(async (file, options) => {
      const { readModel } = await import("../../train/interop/read_model.ts");
      const { describeModel } = await import("../../train/interop/describe_model.ts");
      await using model = await readModel(file, { plans: options.plans });
      const facts = describeModel(model);
      const listed = options.tensors ? { list: tensorList(model), report: model.report } : {};
      context.output.result(
        { ...facts, ...listed },
        [modelText(facts), ...(options.tensors ? tensorLines(model) : [])].join("\n"),
      );
    }) as unknown as CommandUnknownOpts;
}

function tensorList(model: ModelFile) {
  return [...model.tensors.values()].map(({ name, shape, dtype }) => ({ name, shape, dtype }));
}

function tensorLines(model: ModelFile): string[] {
  const { aliases, skipped, missing } = model.report;
  return [
    ...tensorList(model).map(({ name, shape, dtype }) => `${name} ${dtype} [${shape.join(", ")}]`),
    ...aliases.map(({ key, of }) => `alias ${key} of ${of}`),
    ...skipped.map(({ key, reason }) => `left out ${key}: ${reason}`),
    ...missing.map((name) => `missing ${name}`),
  ].map((line) => visibleText(line));
}
