import { createLoader, type PatchLoader } from "../data/loader.ts";
import type { LoadedPatch } from "../data/load_sample.ts";
import { openStore } from "../data/store.ts";
import { makeFolder, writeFileAtomic, writeJsonAtomic } from "../data/atomic.ts";
import { printPhase, summarizePlan } from "../kernels/graph/print.ts";
import type { AdapterChoice } from "../kernels/runtime/device.ts";
import { parameterCount } from "../model/parameters.ts";
import { loadCheckpoint, type Progress, saveCheckpoint } from "./checkpoint.ts";
import { type RunConfig, runSchedule } from "./config.ts";
import type { MetricRow, StopReason, TrainEvent, ValidationResult } from "./events.ts";
import { RunLog } from "./run_log.ts";
import { finishedSummary, removeLeftovers, runPaths, type RunSummary, writeRunRecord } from "./run_folder.ts";
import { learningRate } from "./schedule.ts";
import { sampleRatio } from "./mask.ts";
import { LOSS_SCALE, SKIPS_IN_A_ROW } from "./precision.ts";
import { PretrainSession, type StepMetrics } from "./session.ts";
import { METRIC_ROWS } from "./step.ts";
import { Validation } from "./validation.ts";

/** What a run needs. */
export interface TrainingRequest {
  readonly config: RunConfig;
  /** Folder of the prepared store. */
  readonly store: string;
  /** Run folder. */
  readonly out: string;
  /** Go on from `checkpoints/latest.safetensors`, or from `final.safetensors` where there is no other; a finished run is left alone. */
  readonly resume: boolean;
  readonly adapter: AdapterChoice;
  readonly emit: (event: TrainEvent) => void;
  /** Asked before every step; a reason makes the run save and stop. */
  readonly stopReason: () => StopReason | null;
}

/** Too many losses that are not finite, or too many steps in a row that changed nothing. */
export class DivergedError extends Error {
  override readonly name = "DivergedError";
}

/**
 * Runs pre-training to its end, or until asked to stop, on the calling thread.
 *
 * Every epoch: training steps, then validation, picture and checkpoints as configured. Metrics stay on the GPU and come back
 * every `metricsEvery` steps and at the end of an epoch.
 *
 * @returns what `summary.json` holds
 * @throws {DivergedError} when more than `nanLimit` losses of an epoch are not finite, or more than `SKIPS_IN_A_ROW` steps in a
 * row changed nothing
 * @throws {DataError | DeviceError | LimitError | CheckpointError} when data, device or checkpoint fail
 */
export async function runTraining(request: TrainingRequest): Promise<RunSummary> {
  const { config, out } = request;
  const paths = runPaths(out);
  const done = request.resume ? await finishedSummary(out, config.epochs * config.stepsPerEpoch) : null;
  if (done) return done;
  await makeFolder(paths.checkpoints);
  await removeLeftovers(out);
  using session = await PretrainSession.create(config, request.adapter);
  using validation = new Validation(request.store, config);
  using log = RunLog.open(paths.log);
  const emit = (event: TrainEvent) => {
    log.addEvent(event);
    request.emit(event);
  };
  const run = new Run(request, session, validation, log, emit);
  try {
    return await run.run();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    try {
      emit({ type: "failed", step: run.step, message });
    } catch {
      // a full disk stops the log as well: the first error is the one to tell
    }
    throw error;
  }
}

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

class Run {
  /** Completed steps. */
  step = 0;
  #best: number | null = null;
  #lastValidation: ValidationResult | null = null;
  #epochLosses: number[] = [];
  #read = 0;
  #skipped = 0;
  #skippedInARow = 0;
  /** How the steps since the last read-back got their patches. */
  readonly #dataRows: MetricRow[] = [];
  readonly #started = performance.now();

  constructor(
    readonly request: TrainingRequest,
    readonly session: PretrainSession,
    readonly validation: Validation,
    readonly log: RunLog,
    readonly emit: (event: TrainEvent) => void,
  ) {}

  async run(): Promise<RunSummary> {
    const { config, out, store } = this.request;
    const paths = runPaths(out);
    const steps = config.epochs * config.stepsPerEpoch;
    const resumedFrom = await this.#begin();
    await writeRunRecord(out, this.session.config, store, this.session.gpu.facts);
    this.emit({
      type: "started",
      step: this.step,
      steps,
      epochs: config.epochs,
      seed: config.seed,
      adapter: this.session.gpu.facts.adapter,
      resumedFrom,
    });
    await this.#reportPlan();
    using loader = createLoader({
      store,
      seed: config.seed,
      startStep: this.step,
      steps: steps - this.step,
      batchSize: config.batch.size,
      cropSize: this.session.built.cropSize,
      finalSize: config.patch,
      workers: config.loader.workers,
      prefetch: config.loader.prefetch,
      sampling: config.sampling,
    });
    const patches = loader[Symbol.asyncIterator]();
    while (this.step < steps) {
      const stop = this.request.stopReason();
      if (stop) return await this.#stop(stop);
      await this.#trainOneStep(loader, patches);
      if (this.step % config.stepsPerEpoch === 0) await this.#endEpoch();
    }
    await saveCheckpoint(paths.final, this.session, this.#progress());
    this.emit({ type: "checkpoint", step: this.step, kind: "final", path: paths.final });
    await Deno.remove(paths.latest).catch(() => {});
    this.emit({ type: "finished", step: this.step, seconds: this.#seconds() });
    return await this.#summary("finished");
  }

  /** Fresh weights, or those of the latest checkpoint. @returns the checkpoint's path */
  async #begin(): Promise<string | null> {
    const { config, out, resume } = this.request;
    const { latest, final } = runPaths(out);
    const found = !resume ? null : await exists(latest) ? latest : await exists(final) ? final : null;
    if (found !== null) {
      const progress = await loadCheckpoint(found, this.session);
      this.step = progress.step;
      this.#best = progress.bestValLoss;
    } else this.session.initialise();
    this.log.truncateAfter(this.step);
    this.#read = this.step;
    const epochStart = this.step - this.step % config.stepsPerEpoch;
    this.#epochLosses = this.log.metric("loss", epochStart - 1).map((row) => row.value);
    this.#skipped = this.log.metric("skipped").filter((row) => row.value > 0).length;
    const last = this.log.events().findLast((e) => e.type === "validation")?.event;
    if (last) this.#lastValidation = { ...this.validation.baselines, valLoss: Number(last.valLoss) };
    return found;
  }

  async #reportPlan(): Promise<void> {
    const { plan, built } = this.session;
    for (const [phase, figures] of Object.entries(plan.report.phases)) {
      this.emit({
        type: "plan",
        phase,
        plan: {
          dispatches: figures.dispatches,
          pipelines: plan.report.pipelines,
          slots: plan.report.slots,
          peakBytes: plan.report.peakBytes,
          parameterBytes: 4 * parameterCount(built.graph),
          flop: figures.flop,
        },
      });
    }
    const text = [
      summarizePlan(plan),
      ...Object.keys(plan.phases).map((p) => `\n${p}\n${printPhase(plan, p)}`),
    ].join("\n");
    await writeFileAtomic(runPaths(this.request.out).plan, `${text}\n`);
  }

  async #trainOneStep(loader: PatchLoader, patches: AsyncIterator<LoadedPatch>): Promise<void> {
    const { config } = this.request;
    const asked = performance.now(), queueDepth = loader.ready;
    const batch: LoadedPatch[] = [];
    while (batch.length < config.batch.size) batch.push((await patches.next()).value);
    this.#dataRows.push(
      { step: this.step, name: "queueDepth", value: queueDepth },
      { step: this.step, name: "dataWaitMs", value: performance.now() - asked },
    );
    const lr = this.#lr(this.step);
    this.session.trainStep(this.step, lr, batch);
    this.step++;
    if (this.step - this.#read >= Math.min(config.metricsEvery, METRIC_ROWS)) await this.#readMetrics();
    await new Promise((resolve) => setTimeout(resolve, 0)); // lets messages in, a stop among them
  }

  #lr(step: number): number {
    const { config } = this.request;
    return learningRate(runSchedule(config), Math.floor(step / config.stepsPerEpoch), config.epochs);
  }

  async #readMetrics(): Promise<void> {
    if (this.#read === this.step) return;
    const { config } = this.request;
    const metrics = await this.session.readMetrics(this.#read, this.step);
    const rows: MetricRow[] = metrics.flatMap(({ step, loss, gradNorm, clipScale, finite, lossScale }) => [
      { step, name: "loss", value: loss },
      { step, name: "gradNorm", value: gradNorm },
      { step, name: "clipScale", value: clipScale },
      { step, name: "skipped", value: finite ? 0 : 1 },
      { step, name: "lossScale", value: lossScale },
      { step, name: "lr", value: this.#lr(step) },
      { step, name: "maskRatio", value: sampleRatio(config.seed, step, config.mask.ratio) },
    ]);
    rows.push(...this.#dataRows.splice(0), { step: this.step - 1, name: "seconds", value: this.#seconds() });
    this.#read = this.step;
    this.#epochLosses.push(...metrics.map((m) => m.loss));
    this.emit({ type: "metrics", step: this.step, rows });
    this.#judgeSkips(metrics);
    const bad = this.#epochLosses.filter((loss) => !Number.isFinite(loss)).length;
    if (bad > config.nanLimit) {
      throw new DivergedError(
        `Training diverged: found ${bad} losses that are not finite in one epoch, allowed ${config.nanLimit} (nanLimit): ` +
          `use a lower learning rate, and check the data with spark3d prepare`,
      );
    }
  }

  /** Counts steps that changed nothing, and warns of them unless a smaller loss scale is all they need. */
  #judgeSkips(metrics: readonly StepMetrics[]): void {
    for (const { step, finite, loss, lossScale } of metrics) {
      this.#skippedInARow = finite ? 0 : this.#skippedInARow + 1;
      if (finite) continue;
      this.#skipped++;
      if (this.#skippedInARow > SKIPS_IN_A_ROW) {
        throw new DivergedError(
          `Training diverged: the last ${this.#skippedInARow} steps had gradients that are not finite and changed nothing ` +
            `(loss scale ${lossScale}): use a lower learning rate or precision f32, and check the data with spark3d prepare`,
        );
      }
      if (lossScale > LOSS_SCALE.smallest && Number.isFinite(loss)) continue;
      this.emit({
        type: "warning",
        step,
        message: `step ${step}: gradient norm is not finite, the step changed nothing`,
      });
    }
  }

  async #endEpoch(): Promise<void> {
    const { config, out } = this.request;
    const paths = runPaths(out);
    await this.#readMetrics();
    const epoch = this.step / config.stepsPerEpoch;
    const last = epoch === config.epochs;
    const losses = this.#epochLosses.splice(0);
    const trainLoss = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    const rows: MetricRow[] = [{ step: this.step - 1, name: "trainLoss", value: trainLoss }];
    if (epoch % config.validation.everyEpochs === 0 || last) {
      const result = await this.validation.measure(this.session);
      this.#lastValidation = result;
      rows.push({ step: this.step - 1, name: "valLoss", value: result.valLoss });
      this.emit({ type: "validation", step: this.step, epoch, ...result });
      const png = await this.validation.picture(
        this.session,
        `step ${this.step}, validation loss ${result.valLoss.toPrecision(4)}`,
      );
      const path = paths.pictureAt(this.step);
      await makeFolder(paths.pictures);
      await writeFileAtomic(path, [png]);
      await writeFileAtomic(paths.picture, [png]);
      this.emit({ type: "picture", step: this.step, path, png });
      if (Number.isFinite(result.valLoss) && (this.#best === null || result.valLoss < this.#best)) {
        this.#best = result.valLoss;
        await saveCheckpoint(paths.best, this.session, this.#progress());
        this.emit({ type: "checkpoint", step: this.step, kind: "best", path: paths.best });
      }
    }
    this.emit({ type: "metrics", step: this.step, rows });
    if (!last && epoch % config.checkpointEveryEpochs === 0) await this.#saveLatest();
  }

  async #saveLatest(): Promise<void> {
    const { latest } = runPaths(this.request.out);
    await saveCheckpoint(latest, this.session, this.#progress());
    this.emit({ type: "checkpoint", step: this.step, kind: "latest", path: latest });
  }

  async #stop(reason: StopReason): Promise<RunSummary> {
    await this.#readMetrics();
    await this.#saveLatest();
    this.emit({ type: "stopped", step: this.step, reason });
    return await this.#summary("stopped");
  }

  #progress(): Progress {
    return { step: this.step, bestValLoss: this.#best };
  }

  #seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  async #summary(state: RunSummary["state"]): Promise<RunSummary> {
    const { config, store, out } = this.request;
    const { plan, built, gpu } = this.session;
    using prepared = openStore(store);
    const result = this.#lastValidation;
    const summary: RunSummary = {
      state,
      steps: this.step,
      plannedSteps: config.epochs * config.stepsPerEpoch,
      seconds: this.#seconds(),
      valLoss: result?.valLoss ?? null,
      valLossConstant: this.validation.baselines.valLossConstant,
      valLossNearest: this.validation.baselines.valLossNearest,
      valLossToConstant: result ? result.valLoss / result.valLossConstant : null,
      valLossToNearest: result ? result.valLoss / result.valLossNearest : null,
      bestValLoss: this.#best,
      trainLoss: this.log.metric("trainLoss").at(-1)?.value ?? null,
      skippedSteps: this.#skipped,
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
    await writeJsonAtomic(runPaths(out).summary, summary);
    return summary;
  }
}
