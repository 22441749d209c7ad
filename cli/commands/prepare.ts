import { spacingNames } from "../../train/config.ts";
import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts, Option } from "../deps.ts";
import { jsonOption, wholeNumber } from "../options.ts";
import { makeWritableFolder } from "../paths.ts";
import { prepareData, preparedFacts } from "../prepare_data.ts";
import { stopSignal } from "../stop_signal.ts";

/** `spark3d prepare`: reads volumes and writes the store that training reads. */
export function prepareCommand(context: CommandContext): CommandUnknownOpts {
  return new Command()
    .description(
      "Reads every volume of a BIDS or plain folder, crops it to its content, normalises and resamples it, and writes a " +
        "Zarr v3 store. Files that cannot be used are named and left out. Run it again to go on after an interruption.",
    )
    .argument("<source>", "folder of volumes, or a pretrain_data.json")
    .requiredOption("--out <store>", "store to write, or to go on with")
    .addOption(
      new Option(
        "--spacing <name>",
        "voxel size: onemmiso (1 mm isotropic), median of the collection, noresample",
      )
        .choices(spacingNames).default("onemmiso" as const),
    )
    .addOption(
      new Option("--dtype <type>", "element type of the store").choices(["float16", "float32"] as const)
        .default("float16" as const),
    )
    .option("--name <name>", "name of the collection (default: the folder's)")
    .option("--seed <n>", "seed of the split into training and validation subjects", wholeNumber(0), 12345)
    .addOption(jsonOption())
    .action(async (source, { out, spacing, dtype, name, seed }) => {
      const { output } = context;
      using signal = stopSignal((received) => output.log(`${received}: stopping after this volume`));
      await makeWritableFolder(out);
      const options = { source, out, configuration: spacing, dtype, name, splitSeed: seed, signal };
      const facts = preparedFacts(await prepareData(options, output));
      const { train, val } = facts.split;
      output.result(
        facts,
        `${facts.volumes} volumes in ${out} (${facts.prepared} prepared, ${facts.reused} there already, ` +
          `${facts.rejected.length} left out); subjects: ${train.length} training, ${val.length} validation`,
      );
    }) as unknown as CommandUnknownOpts;
}
