import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts } from "../deps.ts";
import { CliError } from "../errors.ts";
import { plansText, preparedFolder } from "../labelled_data.ts";
import { jsonOption } from "../options.ts";
import { exists, join, makeWritableFolder, readJson } from "../paths.ts";

/** `spark3d import-plans`: reads a plans.json of nnU-Net and puts it beside what is made of a data set. */
export function importPlansCommand(context: CommandContext): CommandUnknownOpts {
  return new Command()
    .description(
      "Reads and checks a plans.json of nnU-Net v2 and writes it as PLANS_NAME.json into the folder of the prepared data set, " +
        "with all inherited settings, without two-dimensional configurations, and with networks of older plans in today's form.",
    )
    .argument("<file>", "plans.json of nnU-Net")
    .option(
      "--dataset <folder>",
      "data set that the plans are for: its channels are compared with the plans'",
    )
    .option("--out <folder>", "where the plans go (default: prepared/<name of the data set>)")
    .option("--name <name>", "name of the plans (default: the one they have)")
    .addOption(jsonOption())
    .action(async (file, options) => {
      const { readPlans, writePlans } = await import("../../data/nnunet/plans.ts");
      const read = await readPlans(file);
      const plans = options.name === undefined ? read : { ...read, plans_name: options.name };
      if (options.dataset !== undefined) {
        const { readDataset } = await import("../../data/nnunet/dataset.ts");
        const { requirePlansFor } = await import("../../data/nnunet/require_plans.ts");
        requirePlansFor(await readDataset(options.dataset), plans, file);
      }
      const out = options.out ?? preparedFolder(options.dataset ?? plans.dataset_name);
      await makeWritableFolder(out);
      const plansFile = join(out, `${plans.plans_name}.json`);
      if (await exists(plansFile) && JSON.stringify(await readJson(plansFile)) !== JSON.stringify(plans)) {
        throw new CliError(
          `Cannot write ${plansFile}: other plans of that name are there: choose another --name, or remove them`,
        );
      }
      await writePlans(plansFile, plans);
      context.output.result({ plansFile, plans }, `${plansText(plans)}\n${plansFile}`);
    }) as unknown as CommandUnknownOpts;
}
