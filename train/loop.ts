import { createLoader } from "../data/loader.ts";
import type { LoadedPatch } from "../data/load_sample.ts";
import { openStore } from "../data/store.ts";
import { makeFolder, writeFileAtomic, writeJsonAtomic } from "../data/atomic.ts";
import type { AdapterChoice } from "../kernels/runtime/device.ts";
import { parameterCount } from "../model/parameters.ts";
import { type PretrainPlan, readPretrainPlan } from "./adaptation_plan.ts";
import { loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";
import { type RunConfig, runSchedule } from "./config.ts";
import type { MetricRow, TrainEvent, ValidationResult } from "./events.ts";
import { sampleRatio } from "./mask.ts";
import type { RunLog } from "./run_log.ts";
import { type RunSummary, writeRunRecord } from "./run_folder.ts";
import { learningRate } from "./schedule.ts";
import { PretrainSession } from "./session.ts";
import { SliceWriter } from "./slices.ts";
import {
  finishedRun,
  type LoopRequest,
  openRunFolder,
  runLogged,
  type SampleLoader,
  TrainingLoop,
} from "./training_loop.ts";
import { Validation } from "./validation.ts";

/** What a pre-training run needs. */
export interface TrainingRequest extends LoopRequest<RunConfig> {
  /** Folder of the prepared store. */
  readonly store: string;
  readonly adapter: AdapterChoice;
}

/**
 * Runs pre-training to its end, or until asked to stop, on the calling thread.
 *
 * Every epoch: training steps, then validation, picture and checkpoints as configured.
 *
 * @returns what `summary.json` holds
 * @throws {DivergedError} when more than `nanLimit` losses of an epoch are not finite, or more than `SKIPS_IN_A_ROW` steps in a
 * row changed nothing
 * @throws {DataError | DeviceError | LimitError | CheckpointError} when data, device or checkpoint fail
 */
export async function runTraining(request: TrainingRequest): Promise<RunSummary> {
  const done = await finishedRun<RunSummary>(request);
  if (done) return done;
  using _others = await openRunFolder(request.out);
  using session = await PretrainSession.create(request.config, request.adapter);
  using validation = new Validation(request.store, request.config);
  using store = openStore(request.store);
  const data = await readPretrainPlan(store, request.config.patch);
  return await runLogged(
    request,
    (log, emit) => new PretrainLoop(request, session, validation, data, log, emit),
  );
}

class PretrainLoop extends TrainingLoop<LoadedPatch, RunSummary, RunConfig> {
  #best: number | null = null;
  #lastValidation: ValidationResult | null = null;
  readonly #slices: SliceWriter | null;
  /** Last reconstruction of the patch that pictures show. */
  #pictured: Float32Array | null = null;

  constructor(
    protected override readonly request: TrainingRequest,
    protected readonly session: PretrainSession,
    readonly validation: Validation,
    readonly data: PretrainPlan,
    log: RunLog,
    emit: (event: TrainEvent) => void,
  ) {
    super(request, log, emit);
    const { patch, validation: { slices } } = request.config;
    const patches = validation.ranked.slice(0, slices).map((index) => validation.patch(index));
    this.#slices = slices === 0 ? null : new SliceWriter(this.paths, patch, validation.orientation, patches);
  }

  protected get microBatches(): number {
    const { size, micro } = this.request.config.batch;
    return size / micro;
  }

  protected async begin(found: string | null): Promise<number> {
    if (found === null) {
      this.session.initialise();
      return 0;
    }
    const progress = await loadCheckpoint(found, this.session);
    this.#best = progress.bestValLoss;
    return progress.step;
  }

  protected recall(): void {
    const last = this.log.events().findLast((e) => e.type === "validation")?.event;
    if (last) this.#lastValidation = { ...this.validation.baselines, valLoss: Number(last.valLoss) };
  }

  protected writeRecord(): Promise<void> {
    const { out, store } = this.request;
    return writeRunRecord(out, { config: this.session.config, store }, this.session.gpu.facts);
  }

  protected openLoader(steps: number): SampleLoader<LoadedPatch> {
    const { config, store } = this.request;
    return createLoader({
      store,
      seed: config.seed,
      startStep: this.step,
      steps,
      batchSize: config.batch.size,
      cropSize: this.session.built.cropSize,
      finalSize: config.patch,
      workers: config.loader.workers,
      prefetch: config.loader.prefetch,
      sampling: config.sampling,
    });
  }

  protected learningRate(step: number): number {
    const { config } = this.request;
    return learningRate(runSchedule(config), Math.floor(step / config.stepsPerEpoch), config.epochs);
  }

  protected train(step: number, lr: number, batch: readonly LoadedPatch[]): void {
    this.session.trainStep(step, lr, batch);
  }

  protected override stepRows(step: number): readonly MetricRow[] {
    const { seed, mask: { ratio } } = this.request.config;
    return [{ step, name: "maskRatio", value: sampleRatio(seed, step, ratio) }];
  }

  protected async endEpoch(epoch: number): Promise<readonly MetricRow[]> {
    const { config } = this.request;
    if (epoch % config.validation.everyEpochs !== 0 && epoch !== config.epochs) return [];
    const result = await this.#validate();
    this.#lastValidation = result;
    this.emit({ type: "validation", step: this.step, epoch, ...result });
    await this.#show(result.valLoss);
    if (Number.isFinite(result.valLoss) && (this.#best === null || result.valLoss < this.#best)) {
      this.#best = result.valLoss;
      await this.save("best");
    }
    return [{ step: this.step - 1, name: "valLoss", value: result.valLoss }];
  }

  /** Measures, and keeps what the network makes of the patches that are shown. */
  #validate(): Promise<ValidationResult> {
    const { ranked } = this.validation;
    const shown = ranked.slice(0, Math.max(1, this.#slices?.patchCount ?? 0));
    return this.validation.measure(this.session, shown, (index, reconstruction) => {
      const place = shown.indexOf(index);
      if (place === 0) this.#pictured = reconstruction;
      this.#slices?.add(place, reconstruction);
    });
  }

  /** Writes picture and slices of the last validation. */
  async #show(valLoss: number): Promise<void> {
    const { step, paths } = this;
    const caption = `step ${step}, validation loss ${valLoss.toPrecision(4)}`;
    const png = this.validation.picture(this.#pictured!, caption);
    const path = paths.pictureAt(step);
    await makeFolder(paths.pictures);
    await writeFileAtomic(path, [png]);
    await writeFileAtomic(paths.picture, [png]);
    this.emit({ type: "picture", step, path, png });
    if (this.#slices === null) return;
    this.emit({ type: "slices", step, path: await this.#slices.write(step, valLoss) });
  }

  protected saveCheckpoint(path: string): Promise<void> {
    return saveCheckpoint(path, this.session, { step: this.step, bestValLoss: this.#best }, this.data);
  }

  protected async summarize(state: RunSummary["state"]): Promise<RunSummary> {
    const { config, store } = this.request;
    const { plan, built, gpu } = this.session;
    using prepared = openStore(store);
    const result = this.#lastValidation;
    const summary: RunSummary = {
      state,
      steps: this.step,
      plannedSteps: config.epochs * config.stepsPerEpoch,
      seconds: this.seconds(),
      valLoss: result?.valLoss ?? null,
      valLossConstant: this.validation.baselines.valLossConstant,
      valLossNearest: this.validation.baselines.valLossNearest,
      valLossToConstant: result ? result.valLoss / result.valLossConstant : null,
      valLossToNearest: result ? result.valLoss / result.valLossNearest : null,
      bestValLoss: this.#best,
      trainLoss: this.log.metric("trainLoss").at(-1)?.value ?? null,
      skippedSteps: this.divergence.skipped,
      parameters: parameterCount(built.graph),
      peakGpuBytes: plan.report.peakBytes,
      adapter: gpu.facts.adapter,
      seed: config.seed,
      data: {
        volumes: prepared.volumes.length,
        trainSubjects: prepared.index.split.train.length,
        valSubjects: prepared.index.split.val.length,
        rejected: prepared.index.rejected,
      },
    };
    await writeJsonAtomic(this.paths.summary, summary);
    return summary;
  }
}
