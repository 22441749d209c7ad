import { adapterOption } from "../adapter.ts";
import { addConfigFlags, finetuneFlags, readConfigFlags } from "../config_flags.ts";
import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts, Option } from "../deps.ts";
import { UsageError } from "../errors.ts";
import {
  type FinetuneInputs,
  foldFolder,
  foldList,
  PLANS_FILE,
  readFinetuneInputs,
  writeFinetuneInputs,
} from "../finetune_inputs.ts";
import { configFor, type FinetuneOptions, plansFor, startOf } from "../finetune_start.ts";
import { finetuneFacts, finetuneText, type FinishedFold } from "../finetune_summary.ts";
import { ensurePlans, preparedFolder } from "../labelled_data.ts";
import { jsonOption, positiveNumber, threeNumbers } from "../options.ts";
import { exists, join, readJson, requireFolder, resolve } from "../paths.ts";
import { configKeeper, findRunFolder, makeRunFolder, runFiles } from "../run_folder.ts";
import { addWatchOptions, startRunDashboard } from "../run_dashboard.ts";
import { segmentAndEvaluate } from "../segment_and_evaluate.ts";
import { type StoppedError, stopSignal } from "../stop_signal.ts";
import { spark3dVersion } from "../version.ts";
import type { LabelledDataset } from "../../data/nnunet/dataset.ts";
import type { Plans } from "../../data/nnunet/plans.ts";
import type { AdapterChoice } from "../../kernels/runtime/provider.ts";
import { checkpointFile } from "../../train/checkpoint_file.ts";
import type { FinetuneConfig } from "../../train/finetune/config.ts";
import { planModes } from "../../train/finetune/plan_modes.ts";
import { finetunePresets } from "../../train/finetune/presets.ts";
import { finetuneConfigJsonSchema, resolveFinetuneConfig } from "../../train/finetune/resolve_config.ts";

/** `spark3d finetune`: trains segmentation networks on a labelled data set. */
export function finetuneCommand(context: CommandContext): CommandUnknownOpts {
  const command = new Command()
    .description(
      "Trains a segmentation network on a labelled data set in the layout of nnU-Net, from a pre-trained checkpoint or from " +
        "random weights: checks and plans the data set, prepares its cases, trains each fold, and segments and evaluates the " +
        "fold's validation cases. Ctrl-C saves and stops; --resume goes on.",
    )
    .argument("[dataset]", "folder with dataset.json, imagesTr and labelsTr")
    .option(
      "--from <run>",
      "run folder or checkpoint of pre-training (or fine-tuning) whose weights to start from",
    )
    .option(
      "--scratch",
      "random weights: with --from in that checkpoint's network and plan, else in the data set's own",
    )
    .option("--transfer-decoder", "also take the decoder's weights, never the head's")
    .addOption(
      new Option("--plan <mode>", "voxel size with --from (default: like-pretrained)").choices(planModes),
    )
    .option(
      "--spacing <mm>",
      "voxel size of --plan fixed, mm: one number or z,y,x",
      threeNumbers(positiveNumber),
    )
    .addOption(
      new Option("--planner <name>", "planner of the data set's own plans (default: plain)")
        .choices(["plain", "resenc-m", "resenc-l", "resenc-xl"]),
    )
    .option("--gpu-memory <GB>", "GPU memory that the planner plans for", positiveNumber)
    .option("--plans <name>", "use plans of this name in the prepared folder, such as imported ones")
    .option(
      "--fold <n>",
      "fold of the cross-validation, several such as 0,1,2,3,4, or all cases (default: 0)",
      foldList,
    )
    .addOption(
      new Option(
        "--preset <name>",
        `whole run: ${Object.keys(finetunePresets).join(", ")} (default: default)`,
      ),
    )
    .option("--config <file>", "JSON file of settings; options on the command line win")
    .option(
      "--prepared <dir>",
      "where plans and prepared cases go (default: prepared/<name of the data set>)",
    )
    .option("--out <dir>", "run folder, new or empty (default: runs/<date-time>)")
    .option("--resume [dir]", "go on with a run: the folder, --out, or the newest in runs/")
    .option(
      "--no-validate",
      "do not segment the validation cases after training",
    ) as unknown as CommandUnknownOpts;
  addConfigFlags(command, finetuneFlags);
  addWatchOptions(command);
  return command
    .addOption(adapterOption())
    .option("--print-config", "print the complete configuration and stop")
    .option("--print-schema", "print the JSON Schema of a configuration file and stop")
    .addOption(jsonOption())
    .action((...args) => finetuneAction(context, args[0] as string | undefined, args[1] as FinetuneOptions));
}

/** Everything that the folds of a run share. */
interface Run extends FinetuneInputs {
  readonly config: FinetuneConfig;
  /** Whether settings were named with `--resume`. */
  readonly changed: boolean;
  readonly plans: Plans;
  readonly labelled: LabelledDataset;
  readonly out: string;
  readonly adapter: AdapterChoice;
}

async function finetuneAction(
  context: CommandContext,
  dataset: string | undefined,
  options: FinetuneOptions,
): Promise<void> {
  const { output } = context;
  if (options.printSchema) return output.document(finetuneConfigJsonSchema());
  using signal = stopSignal((name) => output.log(`${name}: saving and stopping; once more to stop at once`));
  const run = options.resume === undefined
    ? await startRun(context, dataset, options, signal)
    : await resumeRun(context, dataset, options, signal);
  if (run === null) return;
  await using _dashboard = startRunDashboard(options, run.out, output);
  const folds: FinishedFold[] = [];
  for (const fold of run.folds) {
    const finished = await runFold(context, run, fold, signal, options.allowControl);
    folds.push(finished);
    if (finished.summary.state === "stopped" && signal.aborted) {
      context.exitCode = (signal.reason as StoppedError).exitCode;
      break;
    }
  }
  const { poolSummaries } = await import("../../evaluate/mod.ts");
  const evaluated = folds.flatMap(({ validation }) => validation ?? []);
  const pooled = evaluated.length === 0 ? null : poolSummaries(evaluated);
  output.result(finetuneFacts(run.out, folds, pooled), finetuneText(run.out, folds, pooled));
}

/** Checks, plans and prepares a data set for a new run; null when only its configuration was asked for. */
async function startRun(
  { output }: CommandContext,
  dataset: string | undefined,
  options: FinetuneOptions,
  signal: AbortSignal,
): Promise<Run | null> {
  if (dataset === undefined) {
    throw new UsageError("Name the folder of a labelled data set, or go on with --resume");
  }
  const start = startOf(options);
  await requireFolder("read the data set", dataset);
  const file = options.config === undefined ? undefined : await readJson(options.config);
  const folds = options.fold ?? foldList(String((file as { fold?: unknown } | undefined)?.fold ?? 0));
  const checkpoint = options.from === undefined ? null : resolve(await checkpointFile(options.from));
  const out = options.printConfig ? null : await makeRunFolder(options.out);
  try {
    const planned = await ensurePlans({
      dataset,
      prepared: options.prepared,
      planner: options.planner,
      gpuMemoryGb: options.gpuMemory,
      plansName: options.plans,
      output,
      signal,
    });
    const plans = await plansFor(planned.plans, checkpoint, options);
    const flags = readConfigFlags(options, finetuneFlags);
    const { preset, config: fileName } = options;
    const config = configFor({
      dataset: planned.dataset,
      plans,
      start,
      fold: folds[0],
      preset,
      file,
      fileName,
      flags,
    });
    for (const fold of folds) await casesOf(planned.dataset, planned.prepared, fold);
    if (out === null) {
      output.document(config);
      return null;
    }
    const { readPlans, writePlans } = await import("../../data/nnunet/plans.ts");
    const { labelledStorePath } = await import("../../data/labelled/prepare_labelled.ts");
    const prepared = resolve(options.prepared ?? preparedFolder(dataset));
    const inputs: FinetuneInputs = {
      dataset: resolve(dataset),
      prepared,
      store: labelledStorePath(prepared, plans.configurations[config.configuration]),
      from: start === "pretrained" ? checkpoint : null,
      transferDecoder: options.transferDecoder ?? false,
      folds,
      validate: options.validate,
      spark3d: spark3dVersion,
    };
    await writePlans(join(out, PLANS_FILE), plans);
    const stored = await readPlans(join(out, PLANS_FILE)); // as a resumed run reads them
    const run = {
      ...inputs,
      config,
      changed: false,
      plans: stored,
      labelled: planned.dataset,
      out,
      adapter: options.adapter,
    };
    await prepareCases(run, output, signal);
    output.log(`run folder ${out}`);
    await writeFinetuneInputs(out, config, inputs);
    return run;
  } catch (error) {
    if (out !== null) {
      await Deno.remove(join(out, PLANS_FILE)).catch(() => {});
      await Deno.remove(out).catch(() => {}); // fails when something is in it, which then stays
    }
    throw error;
  }
}

/** Goes on with the data, plans and settings of a run. */
async function resumeRun(
  { output }: CommandContext,
  dataset: string | undefined,
  options: FinetuneOptions,
  signal: AbortSignal,
): Promise<Run | null> {
  const { from, scratch, transferDecoder, plan, spacing, planner, gpuMemory, plans: named } = options;
  const { fold, preset, config: file, prepared } = options;
  const weights = from ?? scratch ?? transferDecoder,
    plans = plan ?? spacing ?? planner ?? gpuMemory ?? named;
  if ((dataset ?? weights ?? plans ?? fold ?? preset ?? file ?? prepared) !== undefined) {
    throw new UsageError(
      "--resume goes on with the run's own data and settings: leave out the data set, --from, --scratch, --transfer-decoder, " +
        "--plan, --spacing, --planner, --gpu-memory, --plans, --fold, --preset, --config and --prepared",
    );
  }
  const out = await findRunFolder(options.resume!, options.out);
  const { config: stored, inputs } = await readFinetuneInputs(out);
  const { readPlans } = await import("../../data/nnunet/plans.ts");
  const { readDataset } = await import("../../data/nnunet/dataset.ts");
  const flags = readConfigFlags(options, finetuneFlags);
  const fileName = join(out, runFiles.config);
  const config = resolveFinetuneConfig({
    start: "scratch",
    preset: "default",
    file: stored,
    fileName,
    flags,
  });
  if (options.printConfig) {
    output.document(config);
    return null;
  }
  const run = {
    ...inputs,
    validate: inputs.validate && options.validate,
    config,
    changed: Object.keys(flags).length > 0,
    plans: await readPlans(join(out, PLANS_FILE)),
    labelled: await readDataset(inputs.dataset),
    out,
    adapter: options.adapter,
  };
  await prepareCases(run, output, signal);
  return run;
}

/** Cases of a fold. @throws {DataError} when there is no such fold */
async function casesOf(dataset: LabelledDataset, prepared: string, fold: FinetuneConfig["fold"]) {
  const { foldOf, readSplits } = await import("../../data/nnunet/splits.ts");
  const ids = dataset.cases.map(({ id }) => id);
  const path = join(prepared, "splits_final.json");
  const splits = await exists(path) ? await readSplits(path, ids) : [];
  if (splits.length === 0 && fold !== "all") {
    throw new UsageError(
      `Cannot train fold ${fold}: ${ids.length} cases are too few for five folds: use --fold all, or write ${path}`,
    );
  }
  return foldOf(ids, splits, fold);
}

async function prepareCases(
  { labelled, plans, config, store }: Run,
  output: CommandContext["output"],
  signal: AbortSignal,
): Promise<void> {
  const { prepareLabelled } = await import("../../data/labelled/prepare_labelled.ts");
  const bar = output.progress("prepare", labelled.cases.length);
  await prepareLabelled({
    dataset: labelled,
    plans,
    configuration: config.configuration,
    out: store,
    signal,
    onWait: () => output.log(`waiting for another process that is preparing ${store}`),
    onProgress: ({ done, total, id }) => bar.update(done, id, total),
  });
  bar.end();
}

/** Trains one fold, or takes what an earlier call left, and judges it on its whole validation cases. */
async function runFold(
  { output }: CommandContext,
  run: Run,
  fold: FinetuneConfig["fold"],
  signal: AbortSignal,
  allowControl?: boolean,
): Promise<FinishedFold> {
  const { finetune } = await import("../../train/finetune/finetune.ts");
  const { finetunePaths } = await import("../../train/finetune/run_folder.ts");
  const { showTrainEvents } = await import("../train_progress.ts");
  const out = foldFolder(run.out, fold, run.folds);
  const { latest, final, validation, validationSummary } = finetunePaths(out);
  const cases = await casesOf(run.labelled, run.prepared, fold);
  output.log(`fold ${fold}: ${cases.train.length} cases train, ${cases.val.length} validate`);
  await using keeper = configKeeper(run.out, run.changed ? run.config : null);
  const show = showTrainEvents(output);
  const summary = await finetune({
    config: { ...run.config, fold },
    store: run.store,
    out,
    plans: run.plans,
    dataset: run.labelled.description,
    cases,
    ...(run.from === null ? {} : { from: run.from }),
    transferDecoder: run.transferDecoder,
    resume: await exists(latest) || await exists(final),
    adapter: run.adapter,
    signal,
    allowControl,
    onEvent: (event) => {
      keeper.onEvent(event);
      show(event);
    },
  });
  if (summary.state === "stopped" || !run.validate || fold === "all") {
    return { fold, out, summary, validation: null };
  }
  if (await exists(validationSummary)) {
    const { readSummary } = await import("../../evaluate/mod.ts");
    return { fold, out, summary, validation: await readSummary(validationSummary) };
  }
  const { labelled: dataset, adapter } = run;
  const evaluation = await segmentAndEvaluate({
    ...{ run: out, dataset, cases: cases.val, out: validation, adapter, output, signal },
  });
  return { fold, out, summary, validation: evaluation };
}
