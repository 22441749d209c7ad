import type { LoadedPatch } from "../data/load_sample.ts";
import { hashRandom } from "../data/random.ts";
import { verifyPlan } from "../kernels/graph/verify.ts";
import { type AdapterChoice, type Gpu, openGpu } from "../kernels/runtime/device.ts";
import { Executor } from "../kernels/runtime/executor.ts";
import { blockTableRow } from "../kernels/ops/blocks/table.ts";
import type { Plan } from "../kernels/spec.ts";
import { initialValues } from "../model/parameters.ts";
import { sampleAugmentation } from "./augmentation.ts";
import { compileRun } from "./compile_run.ts";
import type { RunConfig } from "./config.ts";
import { explainLimit } from "./largest_fit.ts";
import { type BlockMask, sampleBlockMask, sampleRatio } from "./mask.ts";
import { LOSS_SCALE_STATES, STATE_PREFIXES, stepScalars } from "./optimizer.ts";
import { LOSS_SCALE, type Precision, resolvePrecision } from "./precision.ts";
import { buildPretrainGraph, METRIC_COLUMNS, METRIC_ROWS, type PretrainGraph } from "./step.ts";

/** First key of the random streams of starting weights. */
const INIT_STREAM = 0x696e6974;

/** Metrics of one step as the GPU recorded them. */
export interface StepMetrics {
  readonly step: number;
  readonly loss: number;
  readonly gradNorm: number;
  /** What clipping multiplied the true gradient with; 0 in a skipped step. */
  readonly clipScale: number;
  /** Whether the gradient norm was finite; if not, the step changed nothing but the loss scale. */
  readonly finite: boolean;
  /** What the loss was multiplied with in the backward pass; 1 in f32. */
  readonly lossScale: number;
}

/** A run's network on a device: training steps, evaluation, and its state as named tensors. */
export class PretrainSession implements Disposable {
  private constructor(
    /** The run's configuration, its precision resolved for this adapter. */
    readonly config: RunConfig & { readonly precision: Precision },
    readonly gpu: Gpu,
    readonly built: PretrainGraph,
    readonly plan: Plan,
    readonly executor: Executor,
  ) {}

  /**
   * Opens a device, plans and allocates. Weights are zero until `initialise` or `importState`.
   *
   * @throws {DeviceError} without adapter or memory, or when f16 is asked for and the adapter has none
   * @throws {LimitError} when the run does not fit the adapter
   */
  static async create(request: RunConfig, adapter: AdapterChoice): Promise<PretrainSession> {
    const gpu = await openGpu({ adapter });
    try {
      const config = resolvePrecision(request, gpu.facts);
      const built = buildPretrainGraph(config);
      const plan = compileRun(built, config, gpu.facts);
      verifyPlan(plan, gpu.facts);
      return new PretrainSession(config, gpu, built, plan, await Executor.create(gpu, plan));
    } catch (error) {
      gpu[Symbol.dispose]();
      throw explainLimit(error, request, gpu.facts);
    }
  }

  /** Writes starting weights and, in f16, the first loss scale; every weight tensor has a random stream of its own. */
  initialise(): void {
    if (this.config.precision === "f16") {
      this.executor.parameters.write(LOSS_SCALE_STATES.scale, Float32Array.of(LOSS_SCALE.initial));
      this.executor.parameters.write(LOSS_SCALE_STATES.goodSteps, Float32Array.of(0));
    }
    this.built.graph.parameters.forEach((parameter, i) => {
      const random = hashRandom(this.config.seed, INIT_STREAM, i);
      this.executor.parameters.write(
        parameter.name,
        initialValues(parameter.init!, parameter.spec.shape, random),
      );
    });
  }

  /**
   * Submits one optimiser step; does not wait.
   *
   * @param patches the batch in order, `config.batch.size` crops of `built.cropSize`
   */
  trainStep(step: number, lr: number, patches: readonly LoadedPatch[]): void {
    const { config, executor } = this;
    const { micro } = config.batch;
    const ratio = sampleRatio(config.seed, step, config.mask.ratio);
    executor.clearAccumulators();
    executor.write("scalars", stepScalars(config.optimizer, lr, step, step % METRIC_ROWS));
    for (let start = 0; start < patches.length; start += micro) {
      const part = patches.slice(start, start + micro);
      executor.write("crop", concatenate(part.map((p) => p.patch)));
      executor.write(
        "transform",
        concatenate(
          part.map((p) =>
            sampleAugmentation({
              seed: config.seed,
              step,
              sample: p.sampleIndex,
              config: config.augmentation,
            })
          ),
        ),
      );
      const { patch, mask: { block }, seed } = config;
      this.#writeMasks(
        part.map((p) => sampleBlockMask({ patch, block, ratio, seed, step, sample: p.sampleIndex })),
      );
      executor.run("augment");
      executor.run("micro");
    }
    executor.run("update");
  }

  /**
   * Metrics of steps `from` to `to - 1`, at most {@linkcode METRIC_ROWS}. Stalls.
   * @throws {DeviceError} when the device was lost or reported an error since it was opened
   */
  async readMetrics(from: number, to: number): Promise<StepMetrics[]> {
    const ring = await this.#read("metrics");
    const rows: StepMetrics[] = [];
    for (let step = from; step < to; step++) {
      const [loss, gradNorm, clipScale, finite, lossScale] = ring.subarray(
        (step % METRIC_ROWS) * METRIC_COLUMNS.length,
      );
      rows.push({ step, loss, gradNorm, clipScale: clipScale * lossScale, finite: finite === 1, lossScale });
    }
    return rows;
  }

  /**
   * Reconstructs micro-batches of patches. Stalls.
   *
   * @param image `[M, 1, ...patch]`
   * @param masks one for each patch, with at most `built.blocks.kept` visible blocks
   * @returns masked mean squared error over the micro-batch and the reconstruction `[M, 1, ...patch]` when asked for
   * @throws {DeviceError} as `readMetrics`
   */
  async evaluate(
    image: Float32Array<ArrayBuffer>,
    masks: readonly BlockMask[],
    withReconstruction: boolean,
  ): Promise<{ error: number; reconstruction: Float32Array | null }> {
    this.executor.write("image", image);
    this.#writeMasks(masks);
    this.executor.run("evaluate");
    const [error] = await this.#read("maskedError");
    return { error, reconstruction: withReconstruction ? await this.#read("reconstruction") : null };
  }

  /** Tells the visible blocks of a micro-batch in the form that the run's layout takes. */
  #writeMasks(masks: readonly BlockMask[]): void {
    const { layout, blocks } = this.built;
    if (layout === "blocks") {
      const rows = masks.map((mask) => blockTableRow(mask.kept, blocks));
      this.executor.write("table", Int32Array.from(rows.flatMap((row) => [...row])));
    } else {
      this.executor.write("mask", concatenate(masks.map((mask) => Float32Array.from(mask.kept))));
    }
  }

  /** Reads a tensor back; what went wrong on the device before comes first, for the contents may be worthless. */
  async #read(name: string): Promise<Float32Array<ArrayBuffer>> {
    const failed = this.gpu.failed.then((error) => {
      throw error;
    });
    try {
      return await Promise.race([failed, this.executor.read(name)]);
    } catch (error) {
      const moment = new Promise((resolve) => setTimeout(resolve, 100));
      await Promise.race([failed, moment]); // a read fails before the device says why
      throw error;
    }
  }

  /**
   * Names of everything that `exportState` returns: weights by PyTorch key, `<state>:<key>` for the optimiser, in f16 the
   * states of the loss scale.
   */
  stateNames(): readonly string[] {
    const prefixes = [
      ...STATE_PREFIXES[this.config.optimizer.kind].map((p) => `${p}:`),
      ...Object.values(LOSS_SCALE_STATES),
    ];
    return Object.entries(this.plan.named)
      .filter(([name, t]) =>
        t.role === "parameter" ? !name.startsWith("parameters.") : prefixes.some((p) => name.startsWith(p))
      )
      .map(([name]) => name);
  }

  /** Weights, optimiser state and loss scale, C order. Reads whole buffers, so that there is one stall a buffer. */
  async exportState(): Promise<Map<string, { shape: readonly number[]; data: Float32Array<ArrayBuffer> }>> {
    const contents = new Map<number, Float32Array<ArrayBuffer>>();
    const state = new Map<string, { shape: readonly number[]; data: Float32Array<ArrayBuffer> }>();
    for (const name of this.stateNames()) {
      const { buffer, offset, size, spec } = this.plan.named[name];
      if (!contents.has(buffer)) {
        contents.set(buffer, await this.executor.parameters.read(this.plan.buffers[buffer].label));
      }
      const data = contents.get(buffer)!.slice(offset / 4, (offset + size) / 4);
      state.set(name, { shape: spec.shape, data });
    }
    return state;
  }

  /** Restores what `exportState` returned. @throws {PlanError} when a tensor has another size */
  importState(state: ReadonlyMap<string, Float32Array<ArrayBuffer>>): void {
    for (const [name, data] of state) this.executor.parameters.write(name, data);
  }

  [Symbol.dispose](): void {
    this.executor[Symbol.dispose]();
    this.gpu[Symbol.dispose]();
  }
}

/** Joins arrays end to end. */
export function concatenate(parts: readonly Float32Array<ArrayBuffer>[]): Float32Array<ArrayBuffer> {
  if (parts.length === 1) return parts[0];
  const joined = new Float32Array(parts.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
