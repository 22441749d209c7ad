import type { Graph, Value } from "../kernels/graph/graph.ts";
import { accumulate } from "../kernels/ops/accumulate/op.ts";
import { clipScale, MAX_CLIP_INPUTS, sumSquares } from "../kernels/ops/optimizer/clip.ts";
import { updateLossScale } from "../kernels/ops/optimizer/loss_scale.ts";
import { adamwUpdate, sgdUpdate } from "../kernels/ops/optimizer/op.ts";
import { byteLength, tensor } from "../kernels/spec.ts";
import { add } from "../kernels/ops/add/op.ts";
import type { RunConfig } from "./config.ts";
import { LOSS_SCALE } from "./precision.ts";

/** Largest segment of packed parameters, bytes: what every adapter can bind. */
const SEGMENT_BYTES = 128 * 2 ** 20;

/** An optimiser and its settings. */
export type OptimizerConfig = RunConfig["optimizer"];

/** Names of the optimiser's states of a parameter, one prefix a state. */
export const STATE_PREFIXES: Readonly<Record<OptimizerConfig["kind"], readonly string[]>> = {
  sgd: ["velocity"],
  adamw: ["first", "second"],
};

/** Nodes of an optimiser. */
export interface OptimizerNodes {
  /** One value a parameter: run them to add this micro-batch's gradients. */
  readonly accumulated: readonly Value[];
  /** Run them once a step. */
  readonly updated: readonly Value[];
  /** `[4]`: norm of the true gradient, what the update multiplies gradients with, 1 if finite else 0, loss scale. */
  readonly clip: Value;
}

/** What {@linkcode addOptimizer} needs. */
export interface OptimizerRequest {
  readonly optimizer: OptimizerConfig;
  readonly clipNorm: number | null;
  /** Gradient of each trained parameter from one micro-batch. */
  readonly gradients: ReadonlyMap<Value, Value>;
  /** Parameters with a gradient of zero, which weight decay moves all the same. */
  readonly decayOnly: readonly Value[];
  /** Share of a micro-batch in the step's gradient: micro-batch size / batch size. */
  readonly share: number;
  /** `[4]`: learning rate, 1 - beta1^t, 1 - beta2^t, metrics row. */
  readonly scalars: Value;
  /** What the loss was multiplied with before the backward pass; nothing when absent. */
  readonly lossScale?: LossScale;
}

/** States of a dynamic loss scale, both `[1]`. */
export interface LossScale {
  readonly scale: Value;
  /** Good steps in a row since the scale last changed. */
  readonly goodSteps: Value;
}

/** Names of the states of {@linkcode LossScale} in graphs and checkpoints. */
export const LOSS_SCALE_STATES = { scale: "lossScale", goodSteps: "lossScaleGoodSteps" } as const;

/** Declares the states of a loss scale; the host writes `LOSS_SCALE.initial` into `scale` before the first step. */
export function declareLossScale(graph: Graph): LossScale {
  return {
    scale: graph.state(LOSS_SCALE_STATES.scale, tensor([1])),
    goodSteps: graph.state(LOSS_SCALE_STATES.goodSteps, tensor([1])),
  };
}

/**
 * Adds gradient accumulation, clipping by global norm, the update and, where there is one, that of the loss scale to a graph.
 *
 * Trained parameters, their gradients and states are packed into equal segments, so that one dispatch updates a segment.
 * Parameters without gradient are left out: no decay, as in PyTorch.
 *
 * @param trained parameters in order of declaration
 */
export function addOptimizer(
  graph: Graph,
  trained: readonly Value[],
  request: OptimizerRequest,
): OptimizerNodes {
  const { optimizer, gradients, decayOnly, scalars, lossScale } = request;
  const moved = trained.filter((p) => gradients.has(p) || decayOnly.includes(p));
  const gradientOf = new Map(moved.map((p) => [p, graph.accumulator(`gradient:${p.name}`, p.spec)]));
  const prefixes = STATE_PREFIXES[optimizer.kind];
  const statesOf = new Map(moved.map((p) => [p, prefixes.map((s) => graph.state(`${s}:${p.name}`, p.spec))]));
  const segments = splitSegments(moved).map((members, i) => ({
    parameters: graph.pack(`parameters.${i}`, members),
    gradients: graph.pack(`gradients.${i}`, members.map((p) => gradientOf.get(p)!)),
    states: prefixes.map((s, k) => graph.pack(`${s}.${i}`, members.map((p) => statesOf.get(p)![k]))),
  }));
  const accumulated = graph.within(
    "accumulate",
    () =>
      moved.filter((p) => gradients.has(p)).map((p) =>
        graph.apply(accumulate, [gradientOf.get(p)!, gradients.get(p)!], { scale: request.share })[0]
      ),
  );
  return graph.within("update", () => {
    let squares = segments.map((s) => graph.apply(sumSquares, [s.gradients], {})[0]);
    while (squares.length > MAX_CLIP_INPUTS) {
      squares = [graph.apply(add, [squares[0], squares[1]], {})[0], ...squares.slice(2)];
    }
    const [clip] = graph.apply(clipScale, [...squares, ...(lossScale ? [lossScale.scale] : [])], {
      maxNorm: request.clipNorm,
      scaled: lossScale !== undefined,
    });
    const updated = segments.flatMap((s) =>
      optimizer.kind === "sgd"
        ? graph.apply(sgdUpdate, [s.parameters, s.gradients, s.states[0], clip, scalars], optimizer)
        : graph.apply(
          adamwUpdate,
          [s.parameters, s.gradients, s.states[0], s.states[1], clip, scalars],
          optimizer,
        )
    );
    const rescaled = lossScale
      ? graph.apply(updateLossScale, [lossScale.scale, lossScale.goodSteps, clip], LOSS_SCALE)
      : [];
    return { accumulated, updated: [...updated, ...rescaled], clip };
  });
}

/** Consecutive parameters, each group below {@linkcode SEGMENT_BYTES}. */
function splitSegments(parameters: readonly Value[]): Value[][] {
  const groups: Value[][] = [];
  let bytes = Infinity;
  for (const p of parameters) {
    const size = Math.ceil(byteLength(p.spec) / 256) * 256;
    if (bytes + size > SEGMENT_BYTES) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(p);
    bytes += size;
  }
  return groups;
}

/** The step's scalars for the device: learning rate, Adam's bias corrections at `step` (from 0), metrics row. */
export function stepScalars(
  optimizer: OptimizerConfig,
  lr: number,
  step: number,
  row: number,
): Float32Array<ArrayBuffer> {
  return optimizer.kind === "adamw"
    ? Float32Array.of(lr, 1 - optimizer.beta1 ** (step + 1), 1 - optimizer.beta2 ** (step + 1), row)
    : Float32Array.of(lr, 1, 1, row);
}
