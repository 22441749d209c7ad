import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts } from "../deps.ts";
import { UsageError } from "../errors.ts";
import { modelText } from "../model_text.ts";
import { jsonOption } from "../options.ts";
import { dirname, makeWritableFolder } from "../paths.ts";

/** `spark3d import`: turns a checkpoint of nnssl or nnU-Net into a file that fine-tuning and prediction take. */
export function importCommand(context: CommandContext): CommandUnknownOpts {
  return new Command()
    .description(
      "Reads a checkpoint of nnssl or nnU-Net without PyTorch and writes its weights as safetensors, for spark3d finetune --from " +
        "and, with the plans and labels of a segmentation network, for spark3d predict --model. Nothing in the file is ever run. " +
        "Every key is accounted for; spark3d inspect --tensors lists them.",
    )
    .argument("<file>", "checkpoint (.pth), or safetensors file")
    .requiredOption("--out <file>", "safetensors file to write; replaced when it is there")
    .option("--plans <file>", "plans.json of nnU-Net or nnssl, in place of what the file says")
    .option("--dataset-json <file>", "dataset.json of nnU-Net, in place of what the file says")
    .addOption(jsonOption())
    .action(async (file, { out, plans, datasetJson }) => {
      const { output } = context;
      if (!out.endsWith(".safetensors")) {
        throw new UsageError(`Cannot write ${out}: wanted a name that ends in .safetensors: rename it`);
      }
      const { importModel } = await import("../../train/interop/import_model.ts");
      const { describeModel } = await import("../../train/interop/describe_model.ts");
      await makeWritableFolder(dirname(out));
      const { model, ...written } = await importModel(file, out, { plans, dataset: datasetJson });
      const facts = describeModel(model);
      if (facts.keys.missing.length > 0) {
        output.warn(`${facts.keys.missing.length} tensors are missing, first ${facts.keys.missing[0]}`);
      }
      if (facts.adaptationPlan === null) {
        output.warn(
          `${out} has no adaptation plan, which fine-tuning needs: import again with --plans PLANS.json`,
        );
      }
      output.result(
        { ...written, model: facts },
        `${modelText(facts)}\n${written.tensors} tensors in ${out}`,
      );
    }) as unknown as CommandUnknownOpts;
}
