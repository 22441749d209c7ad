import type { Graph, Value } from "../kernels/graph/graph.ts";
import { accumulate } from "../kernels/ops/accumulate/op.ts";
import { writeMetrics } from "../kernels/ops/metrics/op.ts";
import { tensor } from "../kernels/spec.ts";

/** Rows of the metrics ring: steps between two read-backs must not exceed it. */
export const METRIC_ROWS = 64;
/** Columns of the metrics ring, in order. */
export const METRIC_COLUMNS = ["loss", "gradNorm", "clipScale", "finite", "lossScale"] as const;

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

/** Values of the metrics ring, see {@linkcode addMetricsRing}. */
export interface MetricsRing {
  /** Run it once a micro-batch: adds its share of the loss to the step's. */
  readonly summed: Value;
  /** Run it once a step: writes the row. */
  readonly logged: Value;
}

/**
 * Adds the ring `metrics` `[rows, columns]` to a graph: a step's loss, summed over its micro-batches, and what clipping found.
 *
 * @param loss `[1]`, mean over a micro-batch
 * @param share share of a micro-batch in the step: micro-batch size / batch size
 * @param clip `[4]` of `addOptimizer`
 * @param scalars `[4]` of `stepScalars`, which name the row
 */
export function addMetricsRing(
  graph: Graph,
  { loss, share, clip, scalars }: {
    readonly loss: Value;
    readonly share: number;
    readonly clip: Value;
    readonly scalars: Value;
  },
): MetricsRing {
  const total = graph.accumulator("lossTotal", tensor([1]));
  const [summed] = graph.apply(accumulate, [total, loss], { scale: share });
  const ring = graph.state("metrics", tensor([METRIC_ROWS, METRIC_COLUMNS.length]));
  const picks = [{ input: 0, element: 0 }, ...[0, 1, 2, 3].map((element) => ({ input: 1, element }))];
  const [logged] = graph.apply(writeMetrics, [ring, scalars, total, clip], { picks });
  return { summed, logged };
}

/** Metrics of steps `from` to `to - 1` out of the ring's content. */
export function metricsOf(ring: Float32Array, from: number, to: number): StepMetrics[] {
  return Array.from({ length: to - from }, (_, i) => {
    const step = from + i;
    const row = (step % METRIC_ROWS) * METRIC_COLUMNS.length;
    const [loss, gradNorm, clipScale, finite, lossScale] = ring.subarray(row, row + METRIC_COLUMNS.length);
    return { step, loss, gradNorm, clipScale: clipScale * lossScale, finite: finite === 1, lossScale };
  });
}
