import { hashRandom } from "../data/random.ts";
import type { Gpu } from "../kernels/runtime/device.ts";
import type { Executor } from "../kernels/runtime/executor.ts";
import type { Plan } from "../kernels/spec.ts";
import type { Graph } from "../kernels/graph/graph.ts";
import { initialValues } from "../model/parameters.ts";
import { metricsOf, type StepMetrics } from "./metrics_ring.ts";
import { LOSS_SCALE_STATES, type OptimizerConfig, STATE_PREFIXES } from "./optimizer.ts";
import { LOSS_SCALE, type Precision } from "./precision.ts";

/** First key of the random streams of starting weights. */
const INIT_STREAM = 0x696e6974;

/** A tensor of a run's state on the host, C order. */
export interface StateTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** What a training session must know of its run's configuration. */
export interface SessionConfig {
  readonly seed: number;
  readonly precision: Precision;
  readonly optimizer: OptimizerConfig;
}

/**
 * A network in training on a device, whatever it learns: its starting weights, its metrics, its state as named tensors.
 * It owns device and executor.
 */
export abstract class TrainingSession<C extends SessionConfig, B extends { readonly graph: Graph }>
  implements Disposable {
  protected constructor(
    /** The run's configuration, its precision resolved for this adapter. */
    readonly config: C,
    readonly gpu: Gpu,
    readonly built: B,
    readonly plan: Plan,
    readonly executor: Executor,
  ) {}

  /** Writes starting weights and, in f16, the first loss scale; every weight tensor has a random stream of its own. */
  initialise(): void {
    this.resetLossScale();
    this.built.graph.parameters.forEach((parameter, i) => {
      const random = hashRandom(this.config.seed, INIT_STREAM, i);
      this.executor.parameters.write(
        parameter.name,
        initialValues(parameter.init!, parameter.spec.shape, random),
      );
    });
  }

  /** Writes the loss scale that a run in f16 starts with; nothing in f32. */
  protected resetLossScale(): void {
    if (this.config.precision !== "f16") return;
    this.executor.parameters.write(LOSS_SCALE_STATES.scale, Float32Array.of(LOSS_SCALE.initial));
    this.executor.parameters.write(LOSS_SCALE_STATES.goodSteps, Float32Array.of(0));
  }

  /**
   * Metrics of steps `from` to `to - 1`, at most `METRIC_ROWS`. Stalls.
   * @throws {DeviceError} when the device was lost or reported an error since it was opened
   */
  async readMetrics(from: number, to: number): Promise<StepMetrics[]> {
    return metricsOf(await this.read("metrics"), from, to);
  }

  /** Reads a tensor back; what went wrong on the device before comes first, for the contents may be worthless. */
  protected async read(name: string): Promise<Float32Array<ArrayBuffer>> {
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

  /** Names of the weights, PyTorch keys. */
  weightNames(): readonly string[] {
    return this.built.graph.parameters.map(({ name }) => name);
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

  /** Weights, optimiser state and loss scale. Reads whole buffers, so that there is one stall a buffer. */
  async exportState(): Promise<Map<string, StateTensor>> {
    const contents = new Map<number, Float32Array<ArrayBuffer>>();
    const state = new Map<string, StateTensor>();
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

  /** Takes weights; the optimiser, whose states are zero in a new session, starts afresh. */
  startFrom(weights: ReadonlyMap<string, Float32Array<ArrayBuffer>>): void {
    this.resetLossScale();
    this.importState(weights);
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
