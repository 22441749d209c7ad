import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts } from "../deps.ts";
import { jsonOption, positiveNumber, threeNumbers } from "../options.ts";
import { makeWritableFolder } from "../paths.ts";
import { stopSignal } from "../stop_signal.ts";

/** `spark3d prepare`: reads volumes and writes the store that training reads. */
export function prepareCommand(context: CommandContext): CommandUnknownOpts {
  return new Command()
    .description(
      "Reads every volume of a BIDS or plain folder, crops it to its content, normalises and resamples it, and writes a " +
        "Zarr v3 store. Files that cannot be used are named and left out.",
    )
    .argument("<source>", "folder of volumes")
    .requiredOption("--out <store>", "store to write")
    .option("--spacing <mm>", "voxel size to resample to, or D,H,W", threeNumbers(positiveNumber), [1, 1, 1])
    .option("--keep-spacing", "keep each volume's own voxel size")
    .addOption(jsonOption())
    .action(async (source, options) => {
      const { output } = context;
      using signal = stopSignal((name) => output.log(`${name}: stopping`));
      await makeWritableFolder(options.out);
      const { prepareData } = await import("../prepare_data.ts");
      const spacing = options.keepSpacing ? null : options.spacing as [number, number, number];
      const summary = await prepareData({ source, out: options.out, spacing, signal }, output);
      if (signal.aborted) throw signal.reason;
      output.result({ ...summary }, JSON.stringify(summary, null, 1));
    }) as unknown as CommandUnknownOpts;
}
