import { makeFolder, writeFileAtomic } from "../data/atomic.ts";
import type { Graph } from "../kernels/graph/graph.ts";
import { printPhase, summarizePlan } from "../kernels/graph/print.ts";
import { parameterCount } from "../model/parameters.ts";
import { readAdapterPeak } from "./adapter_peak.ts";
import { ControlFolder } from "./control.ts";
import { Divergence } from "./divergence.ts";
import type { MetricRow, StopReason, TrainEvent } from "./events.ts";
import { memoryPlan } from "./memory_plan.ts";
import { METRIC_ROWS } from "./metrics_ring.ts";
import { CheckpointError } from "./checkpoint_state.ts";
import {
  finishedSummary,
  holdRunFolder,
  removeLaterSteps,
  removeLeftovers,
  type RunPaths,
  runPaths,
} from "./run_folder.ts";
import { RunLog } from "./run_log.ts";
import type { SessionConfig, TrainingSession } from "./training_session.ts";

/** What a loop must know of its run's configuration. */
export interface LoopConfig {
  readonly seed: number;
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  /** `[D, H, W]` */
  readonly patch: readonly number[];
  readonly batch: { readonly size: number };
  readonly checkpointEveryEpochs: number;
  readonly metricsEvery: number;
  readonly nanLimit: number;
}

/** What every run needs. */
export interface LoopRequest<C extends LoopConfig = LoopConfig> {
  readonly config: C;
  /** Run folder. */
  readonly out: string;
  /** Go on from `checkpoints/latest.safetensors`, or from `final.safetensors` where there is no other; a finished run is left alone. */
  readonly resume: boolean;
  readonly emit: (event: TrainEvent) => void;
  /** Asked before every step; a reason makes the run save and stop. */
  readonly stopReason: () => StopReason | null;
  /** Take requests from outside the process, see {@linkcode ControlFolder}; default no. */
  readonly allowControl?: boolean;
}

/** Samples in order of step, then of index in the batch. */
export interface SampleLoader<Sample> extends AsyncIterable<Sample>, Disposable {
  readonly ready: number;
}

/** How a run ended, as every summary says. */
export interface LoopSummary {
  readonly state: "finished" | "stopped";
  readonly steps: number;
}

/** A network in training as the loop sees it. */
export type LoopSession = TrainingSession<SessionConfig, { readonly graph: Graph }>;

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

/** The summary of a run that is asked to go on and has nothing left to do, else null. */
export async function finishedRun<S extends LoopSummary>(
  { config, out, resume }: LoopRequest,
): Promise<S | null> {
  return resume ? await finishedSummary<S>(out, config.epochs * config.stepsPerEpoch) : null;
}

/**
 * Makes the run folder, removes what a killed process left in it, and keeps others from training there until disposed.
 *
 * @throws {DataError} when another process trains there, or the folder cannot be written
 */
export async function openRunFolder(out: string): Promise<Disposable> {
  const held = await holdRunFolder(out);
  try {
    await makeFolder(runPaths(out).checkpoints);
    await removeLeftovers(out);
    return held;
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
}

/** Runs a loop with the run's log: events go there and to the request, a failure too. */
export async function runLogged<S extends LoopSummary>(
  request: LoopRequest,
  make: (log: RunLog, emit: (event: TrainEvent) => void) => { readonly step: number; run(): Promise<S> },
): Promise<S> {
  using log = RunLog.open(runPaths(request.out).log);
  const emit = (event: TrainEvent) => {
    log.addEvent(event);
    request.emit(event);
  };
  const loop = make(log, emit);
  try {
    return await loop.run();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    try {
      emit({ type: "failed", step: loop.step, message });
    } catch {
      // a full disk stops the log as well: the first error is the one to tell
    }
    throw error;
  }
}

/**
 * The course of a run, whatever it learns: steps, metrics that stay on the GPU and come back every `metricsEvery` steps and at the
 * end of an epoch, checkpoints, stopping and going on.
 */
export abstract class TrainingLoop<Sample, S extends LoopSummary, C extends LoopConfig = LoopConfig> {
  /** Completed steps. */
  step = 0;
  protected readonly paths: RunPaths;
  protected readonly divergence: Divergence;
  #epochLosses: number[] = [];
  #read = 0;
  /** How the steps since the last read-back got their samples. */
  readonly #dataRows: MetricRow[] = [];
  /** When the steps since the last read-back began. */
  #stepsBegan = 0;
  /** Step and time of the checkpoints last saved. */
  #saved = { step: 0, ms: 0 };
  readonly #started = performance.now();

  constructor(
    protected readonly request: LoopRequest<C>,
    protected readonly log: RunLog,
    protected readonly emit: (event: TrainEvent) => void,
  ) {
    this.paths = runPaths(request.out);
    this.divergence = new Divergence(request.config.nanLimit, emit);
  }

  /** The network that trains now. */
  protected abstract readonly session: LoopSession;
  /** How often a step runs the phases `augment` and `micro`. */
  protected abstract readonly microBatches: number;
  /** Prepares the first step: fresh weights, or those of the checkpoint `found`. @returns completed steps */
  protected abstract begin(found: string | null): Promise<number>;
  /** Takes up what the log, cut off at the checkpoint, says of earlier epochs. */
  protected abstract recall(): void;
  /** Writes run.json. */
  protected abstract writeRecord(): Promise<void>;
  /** Samples of the steps that are left. */
  protected abstract openLoader(steps: number): SampleLoader<Sample>;
  protected abstract learningRate(step: number): number;
  /** Submits a step. */
  protected abstract train(step: number, lr: number, batch: readonly Sample[]): Promise<void> | void;
  /** Further figures of a step that the host knows. */
  protected stepRows(_step: number): readonly MetricRow[] {
    return [];
  }
  /** Judges the network after an epoch. @returns further figures of the epoch */
  protected abstract endEpoch(epoch: number, trainLoss: number): Promise<readonly MetricRow[]>;
  protected abstract saveCheckpoint(path: string): Promise<void>;
  /** Writes and returns the summary. */
  protected abstract summarize(state: LoopSummary["state"]): Promise<S>;

  /** Trains to the end, or until asked to stop. */
  async run(): Promise<S> {
    const { config } = this.request;
    const steps = config.epochs * config.stepsPerEpoch;
    const resumedFrom = await this.#begin();
    if (this.step > steps) {
      throw new CheckpointError(
        `Cannot go on with ${this.request.out}: found ${this.step} completed steps, wanted at most ${steps}, ` +
          `${config.epochs} epochs of ${config.stepsPerEpoch}: use more epochs`,
        resumedFrom ?? this.request.out,
      );
    }
    await this.writeRecord();
    const { adapter } = this.session.gpu.facts;
    this.emit({
      type: "started",
      step: this.step,
      steps,
      epochs: config.epochs,
      seed: config.seed,
      adapter,
      resumedFrom,
      peakFlopPerSecond: (await readAdapterPeak(adapter))?.flopPerSecond ?? null,
    });
    await this.reportPlan();
    using loader = this.openLoader(steps - this.step);
    const samples = loader[Symbol.asyncIterator]();
    await using control = await ControlFolder.open(this.paths.control, this.request.allowControl ?? false);
    this.#stepsBegan = performance.now();
    while (this.step < steps) {
      const stop = this.request.stopReason() ?? await this.#obey(control);
      if (stop) return await this.#stop(stop);
      await this.#trainOneStep(loader, samples);
      if (this.step % config.stepsPerEpoch === 0) await this.#endEpoch();
    }
    await this.save("final");
    await Deno.remove(this.paths.latest).catch(() => {});
    this.emit({ type: "finished", step: this.step, seconds: this.seconds() });
    return await this.summarize("finished");
  }

  /** Writes a checkpoint of the present state. */
  protected async save(kind: "latest" | "best" | "final"): Promise<void> {
    const began = performance.now();
    await this.saveCheckpoint(this.paths[kind]);
    this.emit({ type: "checkpoint", step: this.step, kind, path: this.paths[kind] });
    this.#saved = { step: this.step, ms: this.#savedMs() + performance.now() - began };
    if (this.step === 0) return; // metrics belong to a step
    const row = { step: this.step - 1, name: "checkpointMs", value: this.#saved.ms };
    this.emit({ type: "metrics", step: this.step, rows: [row] });
  }

  /** Time that checkpoints of the present step have taken. */
  #savedMs(): number {
    return this.#saved.step === this.step ? this.#saved.ms : 0;
  }

  /** Tells what the session's plan costs, and writes it into plan.txt and plan.json. */
  protected async reportPlan(): Promise<void> {
    const { plan, built } = this.session;
    const { pipelines, slots, peakBytes } = plan.report;
    const parameterBytes = 4 * parameterCount(built.graph);
    for (const [phase, { dispatches, flop }] of Object.entries(plan.report.phases)) {
      const figures = { dispatches, pipelines, slots, peakBytes, parameterBytes, flop };
      this.emit({ type: "plan", phase, plan: figures });
    }
    const phases = Object.keys(plan.phases).map((p) => `\n${p}\n${printPhase(plan, p)}`);
    await writeFileAtomic(this.paths.plan, `${[summarizePlan(plan), ...phases].join("\n")}\n`);
    await writeFileAtomic(this.paths.memoryPlan, JSON.stringify(memoryPlan(plan)));
  }

  /** Seconds since the loop was made. */
  protected seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  /** @returns the path of the checkpoint that the run goes on from */
  async #begin(): Promise<string | null> {
    const { config, resume } = this.request;
    const { latest, final } = this.paths;
    const found = !resume ? null : await exists(latest) ? latest : await exists(final) ? final : null;
    this.step = await this.begin(found);
    this.log.truncateAfter(this.step);
    for (const folder of [this.paths.pictures, this.paths.slices]) await removeLaterSteps(folder, this.step);
    this.#read = this.step;
    const epochStart = this.step - this.step % config.stepsPerEpoch;
    this.#epochLosses = this.log.metric("loss", epochStart - 1).map((row) => row.value);
    this.recall();
    this.divergence.skipped = this.log.metric("skipped").filter((row) => row.value > 0).length;
    return found;
  }

  async #trainOneStep(loader: SampleLoader<Sample>, samples: AsyncIterator<Sample>): Promise<void> {
    const { config } = this.request;
    const asked = performance.now(), queueDepth = loader.ready;
    const batch: Sample[] = [];
    while (batch.length < config.batch.size) batch.push((await samples.next()).value);
    this.#dataRows.push(
      { step: this.step, name: "queueDepth", value: queueDepth },
      { step: this.step, name: "dataWaitMs", value: performance.now() - asked },
    );
    await this.train(this.step, this.learningRate(this.step), batch);
    this.step++;
    if (this.step - this.#read >= Math.min(config.metricsEvery, METRIC_ROWS)) await this.#readMetrics();
    await new Promise((resolve) => setTimeout(resolve, 0)); // lets messages in, a stop among them
  }

  async #readMetrics(): Promise<void> {
    if (this.#read === this.step) return;
    const metrics = await this.session.readMetrics(this.#read, this.step);
    const rows: MetricRow[] = metrics.flatMap(({ step, loss, gradNorm, clipScale, finite, lossScale }) => [
      { step, name: "loss", value: loss },
      { step, name: "gradNorm", value: gradNorm },
      { step, name: "clipScale", value: clipScale },
      { step, name: "skipped", value: finite ? 0 : 1 },
      { step, name: "lossScale", value: lossScale },
      { step, name: "lr", value: this.learningRate(step) },
      ...this.stepRows(step),
    ]);
    rows.push(...this.#dataRows.splice(0), ...this.#speedRows());
    this.#read = this.step;
    this.#epochLosses.push(...metrics.map((m) => m.loss));
    this.emit({ type: "metrics", step: this.step, rows });
    this.divergence.judge(metrics, this.#epochLosses);
  }

  /** How fast the steps since the last read-back were. */
  #speedRows(): readonly MetricRow[] {
    const { batch, patch } = this.request.config;
    const { augment, micro, update } = this.session.plan.report.phases;
    const now = performance.now();
    const stepMs = (now - this.#stepsBegan) / (this.step - this.#read);
    this.#stepsBegan = now;
    const voxels = batch.size * patch.reduce((product, edge) => product * edge, 1);
    const flop = this.microBatches * (augment.flop + micro.flop) + update.flop;
    const row = (name: string, value: number) => ({ step: this.step - 1, name, value });
    return [
      row("seconds", this.seconds()),
      row("stepMs", stepMs),
      row("voxelsPerSecond", voxels / stepMs * 1000),
      row("flopPerSecond", flop / stepMs * 1000),
    ];
  }

  /** Does what was asked for from outside. @returns the reason to stop, null to go on */
  async #obey(control: ControlFolder | null): Promise<StopReason | null> {
    const asked = await control?.take();
    if (asked?.has("stop")) return "request";
    if (asked?.has("checkpoint")) {
      await this.#readMetrics();
      await this.save("latest");
      this.#stepsBegan = performance.now();
    }
    return null;
  }

  async #endEpoch(): Promise<void> {
    const { config } = this.request;
    await this.#readMetrics();
    const began = performance.now() - this.#savedMs();
    const epoch = this.step / config.stepsPerEpoch;
    const losses = this.#epochLosses.splice(0);
    const trainLoss = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    const rows = await this.endEpoch(epoch, trainLoss);
    const row = (name: string, value: number) => ({ step: this.step - 1, name, value });
    const validationMs = performance.now() - began - this.#savedMs();
    const all = [
      row("trainLoss", trainLoss),
      ...rows,
      ...rows.length > 0 ? [row("validationMs", validationMs)] : [],
    ];
    this.emit({ type: "metrics", step: this.step, rows: all });
    if (epoch < config.epochs && epoch % config.checkpointEveryEpochs === 0) await this.save("latest");
    this.#stepsBegan = performance.now();
  }

  async #stop(reason: StopReason): Promise<S> {
    await this.#readMetrics();
    await this.save("latest");
    this.emit({ type: "stopped", step: this.step, reason });
    return await this.summarize("stopped");
  }
}
