/** Random graphs for property tests of the planner, built from a list of choices so that fast-check can shrink them. */
import { Graph, type Node, type Value } from "../../kernels/graph/graph.ts";
import { neededNodes } from "../../kernels/graph/steps.ts";
import type { CompileOptions } from "../../kernels/graph/plan.ts";
import { accumulate } from "../../kernels/ops/accumulate/op.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { assign } from "../../kernels/ops/assign/op.ts";
import { conv3d } from "../../kernels/ops/conv3d/op.ts";
import { fill } from "../../kernels/ops/fill/op.ts";
import { instanceNorm } from "../../kernels/ops/instance_norm/op.ts";
import { leakyRelu } from "../../kernels/ops/leaky_relu/op.ts";
import { reconstructionError } from "../../kernels/ops/loss/op.ts";
import { applyMask, expandMask } from "../../kernels/ops/mask/op.ts";
import { clipScale, sumSquares } from "../../kernels/ops/optimizer/clip.ts";
import { avgPool3d, avgPool3dGradient } from "../../kernels/ops/pool/op.ts";
import { type Dims3, elementCount, tensor } from "../../kernels/spec.ts";
import { fc } from "../deps.ts";
import { noise } from "./ops.ts";

/** One choice: which operation, which of the values there are, and a number for whatever else is open. */
export interface Choice {
  readonly op: (typeof OPERATIONS)[number];
  readonly a: number;
  readonly b: number;
}

/** A graph with its phases, contents of everything persistent, and the operations that update states. */
export interface RandomGraph {
  readonly graph: Graph;
  readonly phases: CompileOptions["phases"];
  readonly feeds: Map<Value, Float32Array<ArrayBuffer>>;
  readonly states: readonly Value[];
}

const OPERATIONS = [
  "leakyRelu",
  "add",
  "applyMask",
  "instanceNorm",
  "residualNorm",
  "pool",
  "unpool",
  "conv3d",
  "error",
  "sumSquares",
  "clipScale",
  "accumulate",
  "assign",
  "fill",
  "output",
] as const;

const choices = fc.array(
  fc.record({ op: fc.constantFrom(...OPERATIONS), a: fc.nat(1000), b: fc.nat(1000) }),
  { minLength: 10, maxLength: 40, size: "max" },
);
const targets = fc.array(fc.array(fc.nat(1000), { minLength: 1, maxLength: 4 }), {
  minLength: 1,
  maxLength: 3,
});

/** Graphs of 10 to 40 operations on small volumes, one to three phases, fan-out, unused values, updates and outputs. */
export const randomGraphs: fc.Arbitrary<RandomGraph> = fc.tuple(choices, targets)
  .map(([chosen, wanted]) => buildRandomGraph(chosen, wanted));

const CHANNELS = 2;
const SIZES: readonly Dims3[] = [[4, 4, 6], [2, 2, 3]];

/** Applies every choice that fits; a choice that fits nothing is left out. */
export function buildRandomGraph(chosen: readonly Choice[], wanted: readonly number[][]): RandomGraph {
  const graph = new Graph();
  const volumes = SIZES.map((size, i) => graph.input(`image${i}`, tensor([1, CHANNELS, ...size])));
  const grid = graph.input("grid", tensor([1, 1, 2, 2, 3]));
  const masks = SIZES.map((size) => graph.apply(expandMask, [grid], { size })[0]);
  const weights = graph.parameter("weights", tensor([CHANNELS, CHANNELS, 1, 3, 1]), { kind: "zeros" });
  const states = SIZES.flatMap((size, i) =>
    [0, 1].map((k) => graph.state(`state${i}${k}`, tensor([1, CHANNELS, ...size])))
  );
  graph.pack("packed", states);
  const fresh = new Set(states);
  const readable = [...volumes, ...states];
  const scalars: Value[] = [];
  const made: Value[] = [];
  const levelOf = (v: Value) => v.spec.shape[2] === SIZES[0][0] ? 0 : 1;
  const keep = (value: Value) => {
    made.push(value);
    readable.push(value);
  };
  for (const { op, a, b } of chosen) {
    const x = readable[a % readable.length];
    const level = levelOf(x);
    const alike = readable.filter((v) => levelOf(v) === level);
    const y = alike[b % alike.length];
    switch (op) {
      case "leakyRelu":
        keep(graph.apply(leakyRelu, [x], { slope: 0.1 })[0]);
        break;
      case "add":
        keep(graph.apply(add, [x, y], {})[0]);
        break;
      case "applyMask":
        keep(graph.apply(applyMask, [x, masks[level]], {})[0]);
        break;
      case "instanceNorm":
      case "residualNorm": {
        const residual = op === "residualNorm";
        const attrs = { eps: 1e-2, affine: false, residual, masked: b % 2 === 0, slope: 0.1 };
        const inputs = [x, ...(residual ? [y] : []), ...(attrs.masked ? [masks[level]] : [])];
        keep(graph.apply(instanceNorm, inputs, attrs)[0]);
        break;
      }
      case "pool":
        if (level === 0) keep(graph.apply(avgPool3d, [x], { stride: [2, 2, 2] })[0]);
        break;
      case "unpool":
        if (level === 1) keep(graph.apply(avgPool3dGradient, [x], { stride: [2, 2, 2], size: SIZES[0] })[0]);
        break;
      case "conv3d": {
        const attrs = { kernel: [1, 3, 1], stride: [1, 1, 1], inputs: 1, bias: false } as const;
        keep(graph.apply(conv3d, [x, weights], attrs)[0]);
        break;
      }
      case "fill":
        keep(graph.apply(fill, [], { shape: volumes[b % 2].spec.shape, value: a / 1000 })[0]);
        break;
      case "error": {
        const outputs = graph.apply(reconstructionError, [x, y, masks[level]], {
          power: 2,
          region: "weighted",
        });
        scalars.push(outputs[b % 2]); // the other one stays unused
        made.push(outputs[b % 2]);
        break;
      }
      case "sumSquares":
        scalars.push(graph.apply(sumSquares, [x], {})[0]);
        made.push(scalars.at(-1)!);
        break;
      case "clipScale":
        if (scalars.length > 0) {
          const inputs = [scalars[a % scalars.length], scalars[b % scalars.length]];
          made.push(graph.apply(clipScale, inputs, { maxNorm: 1 })[0]);
        }
        break;
      case "accumulate":
      case "assign": {
        const state = alike.find((v) => fresh.has(v) && v !== x);
        // one buffer cannot be read and written by a dispatch, so another member of the segment is no source
        if (!state || x.role === "state" || sharesState(x, states)) break;
        keep(
          op === "assign"
            ? graph.apply(assign, [state, x], {})[0]
            : graph.apply(accumulate, [state, x], { scale: 0.5 })[0],
        );
        fresh.delete(state);
        readable.splice(readable.indexOf(state), 1); // a later reader would see the new contents
        break;
      }
      case "output":
        if (made.length > 0) {
          const value = made[a % made.length];
          if (![...graph.outputs.values()].includes(value)) {
            graph.output(`output${graph.outputs.size}`, value);
          }
        }
        break;
    }
  }
  if (made.length === 0) keep(graph.apply(add, [volumes[0], volumes[0]], {})[0]);
  const phases = Object.fromEntries(wanted.map((picks, i) => [
    `phase${i}`,
    [...new Set(picks.map((p) => made[p % made.length]))],
  ]));
  for (const [first] of Object.values(phases)) {
    if (![...graph.outputs.values()].includes(first)) graph.output(`output${graph.outputs.size}`, first);
  }
  const feeds = new Map(
    [...volumes, grid, weights].map((v, i) => {
      const data = noise(elementCount(v.spec.shape), i);
      return [v, v === grid ? data.map((m) => m > 0 ? 1 : 0) as Float32Array<ArrayBuffer> : data];
    }),
  );
  return { graph, phases, feeds, states };
}

/** Whether a value is the result of an update and so lives in a state's buffer. */
function sharesState(value: Value, states: readonly Value[]): boolean {
  const node: Node | null = value.producer;
  return (node?.op.updates ?? []).some(([i, o]) =>
    node!.outputs[o] === value && states.includes(node!.inputs[i])
  );
}

/** States that a phase updates, each with the value that becomes its contents. */
export function updatesOf({ graph }: RandomGraph, wanted: readonly Value[]): ReadonlyMap<Value, Value> {
  return new Map(
    neededNodes(graph, wanted).flatMap((node) =>
      (node.op.updates ?? []).map(([i, o]) => [node.inputs[i], node.outputs[o]] as const)
    ),
  );
}
