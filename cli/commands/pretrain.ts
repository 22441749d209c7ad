import type { AdapterChoice } from "../../kernels/runtime/provider.ts";
import { adapterOption } from "../adapter.ts";
import { addConfigFlags, pretrainFlags, readConfigFlags } from "../config_flags.ts";
import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts, Option } from "../deps.ts";
import { UsageError } from "../errors.ts";
import { jsonOption } from "../options.ts";
import type { Output } from "../output.ts";
import { dirname, exists, isAbsolute, join, readJson, requireFolder, resolve } from "../paths.ts";
import {
  configKeeper,
  findRunFolder,
  isStore,
  makeRunFolder,
  readRunInputs,
  removeRunFolder,
  runFiles,
  type RunInputs,
  writeRunInputs,
} from "../run_folder.ts";
import { demoCohortName, ensureDemoCohort } from "../demo_cohort.ts";
import { addWatchOptions, startRunDashboard, type WatchOptions } from "../run_dashboard.ts";
import { summaryText } from "../run_summary.ts";
import { type StoppedError, stopSignal } from "../stop_signal.ts";
import { spark3dVersion } from "../version.ts";
import type { RunConfig } from "../../train/config.ts";
import type { TrainEvent } from "../../train/events.ts";
import type { JsonObject } from "../../train/merge_config.ts";
import { runPresets } from "../../train/presets.ts";
import { resolveRunConfig, runConfigJsonSchema } from "../../train/resolve_config.ts";

interface PretrainOptions extends JsonObject, WatchOptions {
  readonly data?: string;
  readonly out?: string;
  readonly preset?: string;
  readonly config?: string;
  readonly resume?: string | true;
  readonly adapter: AdapterChoice;
  readonly printConfig?: true;
  readonly printSchema?: true;
}

/** `spark3d pretrain`: data preparation and training of one network. */
export function pretrainCommand(context: CommandContext): CommandUnknownOpts {
  const command = new Command()
    .description(
      "Pre-trains a network on unlabelled volumes: prepares them, trains with a progress bar, and leaves checkpoints, " +
        "metrics, a picture and summary.json in the run folder. Without --data it generates a demo cohort first. " +
        "Ctrl-C saves and stops; --resume goes on.",
    )
    .option("--data <dir>", "folder of volumes (BIDS or plain), or a prepared store")
    .option("--out <dir>", "run folder, new or empty (default: runs/<date-time>)")
    .option("--resume [dir]", "go on with a run: the folder, --out, or the newest in runs/")
    .addOption(
      new Option("--preset <name>", `whole run: ${Object.keys(runPresets).join(", ")} (default: demo)`),
    )
    .option(
      "--config <file>",
      "JSON file of settings; options on the command line win",
    ) as unknown as CommandUnknownOpts;
  addConfigFlags(command, pretrainFlags);
  addWatchOptions(command);
  return command
    .addOption(adapterOption())
    .option("--print-config", "print the complete configuration and stop")
    .option("--print-schema", "print the JSON Schema of a configuration file and stop")
    .addOption(jsonOption())
    .action((...args) => pretrainAction(context, args[0] as PretrainOptions));
}

async function pretrainAction(context: CommandContext, options: PretrainOptions): Promise<void> {
  const { output } = context;
  if (options.printSchema) return output.document(runConfigJsonSchema());
  if (options.resume !== undefined && (options.data ?? options.config ?? options.preset) !== undefined) {
    throw new UsageError(
      "--resume goes on with the run's own data and settings: leave out --data, --config and --preset",
    );
  }
  const flags = readConfigFlags(options, pretrainFlags);
  if (options.resume === undefined) {
    const file = options.config === undefined ? undefined : await readJson(options.config);
    const config = resolveRunConfig({ preset: options.preset, file, fileName: options.config, flags });
    if (options.printConfig) return output.document(config);
    return await train(context, await startRun(options, config, output), options);
  }
  const folder = await findRunFolder(options.resume, options.out);
  const { config: stored, inputs } = await readRunInputs(folder);
  const fileName = join(folder, runFiles.config);
  const config = resolveRunConfig({ preset: "paper", file: stored, fileName, flags });
  if (options.printConfig) return output.document(config);
  await train(context, {
    config,
    out: folder,
    store: inputs.store,
    data: inputs.data,
    resume: true,
    changed: Object.keys(flags).length > 0,
    adapter: options.adapter,
  }, options);
}

interface Run {
  readonly config: RunConfig;
  readonly out: string;
  readonly data: string | null;
  /** prepared store, relative to the run folder or absolute */
  readonly store: string;
  readonly resume: boolean;
  /** whether settings were named with `--resume` */
  readonly changed: boolean;
  readonly adapter: AdapterChoice;
}

async function startRun(options: PretrainOptions, config: RunConfig, output: Output): Promise<Run> {
  const data = options.data ?? null;
  if (data !== null) await requireFolder("read the data folder", data);
  const out = await makeRunFolder(options.out);
  output.log(`run folder ${out}`);
  const store = data === null
    ? join("..", `${demoCohortName}_${config.spacing}`)
    : await isStore(data)
    ? resolve(data)
    : runFiles.store;
  await writeRunInputs(out, config, { data, store, spark3d: spark3dVersion } satisfies RunInputs);
  return { config, out, data, store, resume: false, changed: false, adapter: options.adapter };
}

async function train(context: CommandContext, run: Run, watch: WatchOptions): Promise<void> {
  const { output } = context;
  await using _dashboard = startRunDashboard(watch, run.out, output);
  using signal = stopSignal((name) => output.log(`${name}: saving and stopping; once more to stop at once`));
  const store = isAbsolute(run.store) ? run.store : join(run.out, run.store);
  if (!await isStore(store)) await prepareStore(run, store, signal, output);
  const { pretrain } = await import("../../train/pretrain.ts");
  const { runPaths } = await import("../../train/run_folder.ts");
  const { showTrainEvents } = await import("../train_progress.ts");
  const { latest, final } = runPaths(run.out);
  const resume = run.resume && (await exists(latest) || await exists(final));
  if (run.resume && !resume) output.log(`${run.out} has no checkpoint yet: starting at the first step`);
  const { allowControl } = watch;
  await using keeper = configKeeper(run.out, run.changed ? run.config : null);
  const show = showTrainEvents(output);
  const onEvent = (event: TrainEvent) => {
    keeper.onEvent(event);
    show(event);
  };
  const summary = await pretrain({ ...run, store, resume, signal, onEvent, allowControl });
  if (summary.state === "stopped" && signal.aborted) {
    context.exitCode = (signal.reason as StoppedError).exitCode;
  }
  output.result({ out: run.out, ...summary }, summaryText(run.out, summary));
}

/** Prepares the run's volumes, generating them first when there are none. A run that gets no store leaves no trace. */
async function prepareStore(run: Run, store: string, signal: AbortSignal, output: Output): Promise<void> {
  try {
    const { prepareData } = await import("../prepare_data.ts");
    const source = run.data ?? await ensureDemoCohort(dirname(run.out), output, signal);
    await prepareData({ source, out: store, configuration: run.config.spacing, signal }, output);
  } catch (error) {
    if (!run.resume && !signal.aborted) await removeRunFolder(run.out);
    throw error;
  }
}
