import { writeJsonAtomic } from "../../data/atomic.ts";
import { DataError } from "../../data/errors.ts";
import { createLabelledLoader, type CropLoader, type LoadedCrop } from "../../data/labelled/loader.ts";
import { openLabelledStore } from "../../data/labelled/store.ts";
import { type LabelSet, parseLabels } from "../../data/nnunet/labels.ts";
import { type Plans, writePlans } from "../../data/nnunet/plans.ts";
import type { AdapterChoice } from "../../kernels/runtime/provider.ts";
import { parameterCount } from "../../model/parameters.ts";
import type { MetricRow, SegmentationResult, TrainEvent } from "../events.ts";
import type { JsonObject } from "../merge_config.ts";
import { removeFile, writeRunRecord } from "../run_folder.ts";
import type { RunLog } from "../run_log.ts";
import {
  finishedRun,
  type LoopRequest,
  openRunFolder,
  runLogged,
  type SampleLoader,
  TrainingLoop,
} from "../training_loop.ts";
import { loadFinetuned, readProgress, saveFinetuned } from "./checkpoint.ts";
import type { FinetuneConfig } from "./config.ts";
import { averageDice, pseudoDice } from "./pseudo_dice.ts";
import { finetunePaths, type FinetuneSummary } from "./run_folder.ts";
import { FinetuneSession } from "./session.ts";
import { finetuneLr, type FinetuneStage, finetuneStages, isInputProjection, stageAt } from "./stages.ts";
import { networkParameters } from "./step.ts";
import { type TransferReport, transferWeights } from "./transfer.ts";

/** Streams of crops of one seed. */
const STREAMS = { train: 0, validation: 1 } as const;

/** What a fine-tuning run needs. */
export interface FinetuneLoopRequest extends LoopRequest<FinetuneConfig> {
  /** Folder of the labelled store. */
  readonly store: string;
  readonly plans: Plans;
  /** Content of dataset.json. */
  readonly dataset: JsonObject;
  /** Ids of the fold's cases. */
  readonly cases: { readonly train: readonly string[]; readonly val: readonly string[] };
  /** Checkpoint whose weights start the network; null: random weights. */
  readonly from: string | null;
  readonly transferDecoder: boolean;
  readonly adapter: AdapterChoice;
}

/**
 * Fine-tunes to the end, or until asked to stop, on the calling thread.
 *
 * Every epoch: training steps, then validation patches with their loss and pseudo Dice, and checkpoints as configured. Every stage of
 * the schedule has a session of its own: weights go on, the optimiser starts afresh.
 *
 * @returns what `summary.json` holds
 * @throws {DivergedError} when losses or gradients are not finite for too long
 * @throws {DataError | DeviceError | LimitError | CheckpointError | TransferError} when data, device or checkpoint fail
 */
export async function runFinetuning(request: FinetuneLoopRequest): Promise<FinetuneSummary> {
  requireCases(request);
  const done = await finishedRun<FinetuneSummary>(request);
  if (done) return done;
  using _others = await openRunFolder(request.out);
  let loop: FinetuneLoop | undefined;
  try {
    return await runLogged(request, (log, emit) => loop = new FinetuneLoop(request, log, emit));
  } finally {
    loop?.[Symbol.dispose]();
  }
}

/** @throws {DataError} when the fold or the store lacks cases */
function requireCases({ store, cases, config: { fold } }: FinetuneLoopRequest): void {
  using opened = openLabelledStore(store);
  for (const id of [...cases.train, ...cases.val]) opened.case(id);
  for (const [part, purpose] of [["train", "train on"], ["val", "validate"]] as const) {
    if (cases[part].length > 0) continue;
    throw new DataError({
      file: store,
      action: "train on",
      found: `no cases to ${purpose} in fold ${fold}`,
      wanted: "at least one",
      remedy: "use another fold, or all",
    });
  }
}

/** What transfer.json holds. */
interface TransferRecord {
  readonly checkpoint: string;
  readonly transferDecoder: boolean;
  readonly report: TransferReport;
}

class FinetuneLoop extends TrainingLoop<LoadedCrop, FinetuneSummary, FinetuneConfig> implements Disposable {
  protected override readonly paths;
  readonly #labels: LabelSet;
  readonly #stages: readonly FinetuneStage[];
  #stage: FinetuneStage;
  #session: FinetuneSession | null = null;
  #transfer: TransferReport | null = null;
  #stemAdapted = false;
  #validation: { readonly loader: CropLoader; readonly crops: AsyncIterator<LoadedCrop> } | null = null;
  #last: SegmentationResult | null = null;
  #ema: number | null = null;
  #best: number | null = null;

  constructor(
    protected override readonly request: FinetuneLoopRequest,
    log: RunLog,
    emit: (event: TrainEvent) => void,
  ) {
    super(request, log, emit);
    this.paths = finetunePaths(request.out);
    this.#labels = parseLabels(request.dataset);
    this.#stages = finetuneStages(request.config);
    this.#stage = this.#stages[0];
  }

  protected get session(): FinetuneSession {
    return this.#session!;
  }

  protected get microBatches(): number {
    return this.request.config.batch.size / this.session.built.micro;
  }

  protected async begin(found: string | null): Promise<number> {
    const { config, from, transferDecoder } = this.request;
    if (found !== null) {
      const { step, stage, ...progress } = await readProgress(found);
      [this.#ema, this.#best, this.#stemAdapted] = [
        progress.emaDice,
        progress.bestEmaDice,
        progress.stemAdapted,
      ];
      if (from !== null) {
        const record: TransferRecord = JSON.parse(await Deno.readTextFile(this.paths.transfer));
        this.#transfer = record.report;
      }
      this.#stage = this.#stageOf(Math.min(step, config.epochs * config.stepsPerEpoch - 1));
      await this.#open();
      await loadFinetuned(found, this.session, stage !== this.#stage.startEpoch);
      return step;
    }
    const parameters = networkParameters(config);
    const transfer = from === null
      ? null
      : await transferWeights({ checkpoint: from, parameters, transferDecoder });
    this.#transfer = transfer?.report ?? null;
    this.#stemAdapted = transfer?.report.adapted.some(isInputProjection) ?? false;
    await this.#open();
    this.session.initialise();
    if (transfer) {
      this.session.importState(transfer.values);
      const { report } = transfer;
      await writeJsonAtomic(
        this.paths.transfer,
        { checkpoint: from!, transferDecoder, report } satisfies TransferRecord,
      );
    }
    return 0;
  }

  protected recall(): void {
    const last = this.log.events().findLast((e) => e.type === "segmentation")?.event;
    if (!last) return;
    this.#last = {
      trainLoss: Number(last.trainLoss),
      valLoss: Number(last.valLoss),
      pseudoDice: (last.pseudoDice as unknown[]).map(Number),
      meanDice: Number(last.meanDice),
      emaDice: Number(last.emaDice),
    };
  }

  protected async writeRecord(): Promise<void> {
    const { out, store, plans, dataset, cases, from, transferDecoder } = this.request;
    await removeFile(this.paths.validationSummary); // it judges an earlier end of the run
    await writePlans(this.paths.plans, plans);
    await writeJsonAtomic(this.paths.dataset, dataset);
    const record = { config: this.session.config, store, cases, from, transferDecoder };
    await writeRunRecord(out, record, this.session.gpu.facts);
  }

  protected openLoader(steps: number): SampleLoader<LoadedCrop> {
    const { config, cases } = this.request;
    return createLabelledLoader({
      ...this.#crops(),
      cases: cases.train,
      stream: STREAMS.train,
      startStep: this.step,
      steps,
      cropSize: this.session.built.cropSize,
      finalSize: config.patch,
    });
  }

  protected learningRate(step: number): number {
    const { config } = this.request;
    return finetuneLr(config, Math.floor(step / config.stepsPerEpoch));
  }

  protected async train(step: number, lr: number, batch: readonly LoadedCrop[]): Promise<void> {
    const stage = this.#stageOf(step);
    if (stage !== this.#stage) await this.#enter(stage);
    this.session.trainStep(step, step - stage.startEpoch * this.request.config.stepsPerEpoch, lr, batch);
  }

  protected async endEpoch(epoch: number, trainLoss: number): Promise<readonly MetricRow[]> {
    const { config: { validationSteps, batch } } = this.request;
    const { crops } = this.#validation ??= this.#openValidation(epoch - 1);
    this.session.startValidation();
    for (let i = 0; i < validationSteps; i++) {
      const part: LoadedCrop[] = [];
      while (part.length < batch.size) part.push((await crops.next()).value);
      this.session.validateStep(part);
    }
    const { loss: valLoss, confusion } = await this.session.readValidation();
    const dice = pseudoDice(confusion, this.#labels.kind === "labels" ? 1 : 0);
    this.#ema = averageDice(this.#ema, dice.mean);
    const emaDice = this.#ema ?? NaN;
    this.#last = { trainLoss, valLoss, pseudoDice: dice.classes, meanDice: dice.mean, emaDice };
    this.emit({ type: "segmentation", step: this.step, epoch, ...this.#last });
    if (this.#ema !== null && (this.#best === null || this.#ema > this.#best)) {
      this.#best = this.#ema;
      await this.save("best");
    }
    const row = (name: string, value: number) => ({ step: this.step - 1, name, value });
    return [row("valLoss", valLoss), row("meanDice", dice.mean), row("emaDice", emaDice)];
  }

  protected saveCheckpoint(path: string): Promise<void> {
    const progress = {
      step: this.step,
      stage: this.#stage.startEpoch,
      stemAdapted: this.#stemAdapted,
      emaDice: this.#ema,
      bestEmaDice: this.#best,
    };
    return saveFinetuned(path, this.session, progress, this.request);
  }

  protected async summarize(state: FinetuneSummary["state"]): Promise<FinetuneSummary> {
    const { config, cases } = this.request;
    const { plan, built, gpu } = this.session;
    const finite = (value: number | undefined) => value === undefined || Number.isNaN(value) ? null : value;
    const transfer = this.#transfer;
    const summary: FinetuneSummary = {
      state,
      steps: this.step,
      plannedSteps: config.epochs * config.stepsPerEpoch,
      seconds: this.seconds(),
      fold: config.fold,
      trainLoss: finite(this.log.metric("trainLoss").at(-1)?.value),
      valLoss: finite(this.#last?.valLoss),
      pseudoDice: this.#last?.pseudoDice.map(finite) ?? null,
      meanDice: finite(this.#last?.meanDice),
      emaDice: this.#ema,
      bestEmaDice: this.#best,
      skippedSteps: this.divergence.skipped,
      parameters: parameterCount(built.graph),
      transfer: transfer && {
        transferred: transfer.transferred.length,
        adapted: transfer.adapted.length,
        fresh: transfer.fresh.length,
      },
      peakGpuBytes: plan.report.peakBytes,
      adapter: gpu.facts.adapter,
      seed: config.seed,
      cases: { train: cases.train.length, val: cases.val.length },
    };
    await writeJsonAtomic(this.paths.summary, summary);
    return summary;
  }

  [Symbol.dispose](): void {
    this.#validation?.loader[Symbol.dispose]();
    this.#session?.[Symbol.dispose]();
  }

  #stageOf(step: number): FinetuneStage {
    return stageAt(this.#stages, Math.floor(step / this.request.config.stepsPerEpoch));
  }

  /** Opens the session of the present stage. */
  async #open(): Promise<void> {
    const { config, plans, adapter } = this.request;
    const { trainable } = this.#stage;
    this.#session = await FinetuneSession.create({
      config,
      labels: this.#labels,
      maskImage: plans.configurations[config.configuration].use_mask_for_norm,
      trainable,
      stemAdapted: this.#stemAdapted,
    }, adapter);
  }

  async #enter(stage: FinetuneStage): Promise<void> {
    const weights = await this.session.exportWeights();
    this.session[Symbol.dispose]();
    this.#stage = stage;
    await this.#open();
    this.session.startFrom(new Map([...weights].map(([name, { data }]) => [name, data])));
    await this.reportPlan();
  }

  protected override async reportPlan(): Promise<void> {
    const { name, startEpoch: epoch } = this.#stage;
    const { trained, graph } = this.session.built;
    const counts = { trained: trained.length, parameters: graph.parameters.length };
    this.emit({ type: "stage", step: this.step, epoch, name, ...counts });
    await super.reportPlan();
  }

  #openValidation(epoch: number) {
    const { config, cases } = this.request;
    const loader = createLabelledLoader({
      ...this.#crops(),
      cases: cases.val,
      stream: STREAMS.validation,
      startStep: epoch * config.validationSteps,
      steps: (config.epochs - epoch) * config.validationSteps,
      cropSize: config.patch,
      workers: Math.min(1, config.loader.workers),
    });
    return { loader, crops: loader[Symbol.asyncIterator]() };
  }

  #crops() {
    const { config: { seed, batch, oversample, loader }, store } = this.request;
    return { store, seed, batchSize: batch.size, oversample, ...loader };
  }
}
