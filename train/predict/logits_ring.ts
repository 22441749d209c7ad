import { Graph } from "../../kernels/graph/graph.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { verifyPlan } from "../../kernels/graph/verify.ts";
import { addWindow, WINDOW_PLACE } from "../../kernels/ops/window/add_window.ts";
import { labelVoxels, type LabelVoxelsAttrs, labelWords } from "../../kernels/ops/window/label_voxels.ts";
import { sampleLogits, type SampleLogitsAttrs } from "../../kernels/ops/window/sample_logits.ts";
import type { Gpu } from "../../kernels/runtime/device.ts";
import { Executor, type ExecutorOptions } from "../../kernels/runtime/executor.ts";
import { type Plan, tensor, type TensorSpec } from "../../kernels/spec.ts";
import type { RingPlan, RowBand } from "./ring_plan.ts";
import type { SamplingAxis } from "./sampling_axis.ts";
import type { WindowAxis } from "./windows.ts";

/** How labels follow from logits. */
export interface LabelDecision {
  /** The value of the largest logit, or of the last region whose logit is above 0. */
  readonly decision: LabelVoxelsAttrs["decision"];
  /** Label of every channel. */
  readonly values: Int32Array<ArrayBuffer>;
  readonly bytes: LabelVoxelsAttrs["bytes"];
  /** What else is read back at every voxel. */
  readonly samples: SampleLogitsAttrs["activation"] | null;
}

/**
 * The decision of a plain label set: the value of the largest logit, which is its channel.
 *
 * @param outputs labels with background
 * @param samples what else is read back; nothing when left out
 */
export function largestOf(outputs: number, samples: LabelDecision["samples"] = null): LabelDecision {
  return {
    decision: "largest",
    values: Int32Array.from({ length: outputs }, (_, i) => i),
    bytes: outputs > 256 ? 2 : 1,
    samples,
  };
}

/** What rings of one prediction have in common. */
export interface RingSetup {
  readonly plan: RingPlan;
  readonly windows: readonly [WindowAxis, WindowAxis, WindowAxis];
  readonly sampling: readonly [SamplingAxis, SamplingAxis, SamplingAxis];
  readonly labels: LabelDecision;
}

/** Compiles what the rings of a prediction do. @param logits spec of a window's logits */
export function compileRing(
  { plan: { planes, channels, ringRows, rows, ringColumns, columns, boxPlanes }, sampling, labels }:
    RingSetup,
  logits: TensorSpec,
  gpu: Gpu,
): Plan {
  const graph = new Graph();
  const ring = graph.state("ring", tensor([planes, channels, ringRows, ringColumns]));
  const flag = graph.state("flag", tensor([1], "u32"));
  const lines = boxPlanes + rows + columns, [, , d, h, w] = logits.shape;
  const added = graph.apply(addWindow, [
    ring,
    graph.input("logits", logits),
    graph.input("weights", tensor([d + h + w])),
    graph.input("place", tensor([WINDOW_PLACE], "i32")),
  ], {});
  const box = [boxPlanes, rows, columns] as const;
  const linear = [sampling[0].linear, sampling[1].linear, sampling[2].linear] as const;
  const taps = [graph.input("taps", tensor([lines, 2], "i32")), graph.input("fractions", tensor([lines]))];
  const values = graph.input("values", tensor([channels], "i32"));
  const decided = graph.apply(labelVoxels, [ring, ...taps, values, flag], { ...labels, box, linear });
  graph.output("labels", decided[0]);
  const sampled = labels.samples === null
    ? []
    : graph.apply(sampleLogits, [ring, ...taps], { box, linear, activation: labels.samples });
  if (sampled.length > 0) graph.output("samples", sampled[0]);
  const compiled = compile(graph, {
    device: gpu.facts,
    phases: { add: added, decide: [...decided, ...sampled] },
  });
  verifyPlan(compiled, gpu.facts);
  return compiled;
}

/** What was decided in a box of output voxels. */
export interface DecidedBox {
  readonly labels: Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;
  /** `[C, planes, rows, columns]` when samples were asked for. */
  readonly samples: Float32Array<ArrayBuffer> | null;
}

/**
 * The logits of the planes of a band that windows still add to, on the device.
 *
 * Plane i of the padded volume lies at i mod R. Before the windows at a first plane are added, the planes that are new are cleared.
 */
export class LogitsRing implements Disposable {
  private constructor(
    readonly band: RowBand,
    private readonly setup: RingSetup,
    private readonly executor: Executor,
  ) {}

  /** @param shared where the logits of the window to be added are */
  static async create(
    gpu: Gpu,
    band: RowBand,
    setup: RingSetup,
    plan: Plan,
    shared: ExecutorOptions["shared"],
  ): Promise<LogitsRing> {
    const executor = await Executor.create(gpu, plan, { shared });
    executor.write("values", setup.labels.values);
    return new LogitsRing(band, setup, executor);
  }

  /** Sets planes of the padded volume to zero. */
  clear(from: number, until: number): void {
    const { planes, channels, ringRows, ringColumns } = this.setup.plan;
    const bytes = 4 * channels * ringRows * ringColumns;
    for (let plane = from; plane < until;) {
      const at = plane % planes, count = Math.min(until - plane, planes - at);
      this.executor.clear("ring", at * bytes, count * bytes);
      plane += count;
    }
  }

  /** Whether a window at a first row of the padded volume has rows of this band. */
  reaches(row: number): boolean {
    const { band: { ringRow }, setup: { plan, windows } } = this;
    return row < ringRow + plan.ringRows && row + windows[1].patch > ringRow;
  }

  /** Tells the weights `[D + h + w]` of the windows that follow. */
  setWeights(weights: Float32Array<ArrayBuffer>): void {
    this.executor.write("weights", weights);
  }

  /** Submits adding the logits of a window at `start` of the padded volume. Does not wait. */
  add(start: readonly [number, number, number], mirrored: Int32Array): void {
    const { plan } = this.setup;
    this.executor.write(
      "place",
      Int32Array.of(start[0] % plan.planes, start[1] - this.band.ringRow, start[2], ...mirrored),
    );
    this.executor.run("add");
  }

  /** Decides the labels of some output planes. Stalls. @param count at most `plan.boxPlanes` */
  async decide(from: number, count: number): Promise<DecidedBox> {
    const { plan: { planes, boxPlanes, rows, columns, channels }, sampling, labels } = this.setup;
    const lines = boxPlanes + rows + columns;
    const taps = new Int32Array(2 * lines), fractions = new Float32Array(lines);
    let at = 0;
    const put = (axis: SamplingAxis, o: number, place: (position: number) => number) => {
      taps[2 * at] = place(axis.first[o]);
      taps[2 * at + 1] = place(axis.second[o]);
      fractions[at++] = axis.fraction[o];
    };
    for (let i = 0; i < boxPlanes; i++) {
      put(sampling[0], from + Math.min(i, count - 1), (plane) => plane % planes);
    }
    for (let i = 0; i < rows; i++) put(sampling[1], this.band.row + i, (row) => row - this.band.ringRow);
    for (let i = 0; i < columns; i++) put(sampling[2], i, (column) => column);
    this.executor.write("taps", taps);
    this.executor.write("fractions", fractions);
    this.executor.run("decide");
    const voxels = count * rows * columns;
    const words = labelWords({ box: [count, rows, columns], bytes: labels.bytes });
    const bytes = await this.executor.readBytes("labels", 4 * words);
    const samples = labels.samples === null
      ? null
      : new Float32Array(await this.executor.readBytes("samples"));
    return {
      labels: labels.bytes === 1 ? new Uint8Array(bytes, 0, voxels) : new Uint16Array(bytes, 0, voxels),
      samples: samples && firstPlanes(samples, channels, boxPlanes * rows * columns, voxels),
    };
  }

  /** Whether all logits so far were finite where labels were decided. Stalls. */
  async finite(): Promise<boolean> {
    return new Uint32Array(await this.executor.readBytes("flag"))[0] === 0;
  }

  [Symbol.dispose](): void {
    this.executor[Symbol.dispose]();
  }
}

/** The first `kept` of `each` elements of every channel. */
function firstPlanes(
  samples: Float32Array<ArrayBuffer>,
  channels: number,
  each: number,
  kept: number,
): Float32Array<ArrayBuffer> {
  if (kept === each) return samples;
  for (let c = 1; c < channels; c++) samples.copyWithin(c * kept, c * each, c * each + kept);
  return samples.slice(0, channels * kept);
}
