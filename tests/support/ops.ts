/** Checks of one operation: kernels against its reference, gradients against finite differences and the interpreter. */
import { Graph, type Value } from "../../kernels/graph/graph.ts";
import { differentiate } from "../../kernels/graph/gradient.ts";
import { interpret } from "../../kernels/graph/interpret.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { verifyPlan } from "../../kernels/graph/verify.ts";
import { add } from "../../kernels/ops/add/op.ts";
import type { Gpu } from "../../kernels/runtime/device.ts";
import { Executor } from "../../kernels/runtime/executor.ts";
import { type DType, elementCount, type OpDef, tensor, type TensorSpec } from "../../kernels/spec.ts";
import { activeElements, fillUnused } from "./active_elements.ts";
import { assertAllClose, type Tolerance } from "./tolerance.ts";

/** Deterministic numbers in (-1, 1) by index and seed. */
export function noise(length: number, seed: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(length);
  for (let i = 0; i < length; i++) {
    let h = Math.imul(i + 1, 0x9e3779b1) + Math.imul(seed + 1, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
    h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
    out[i] = ((h ^ (h >>> 16)) >>> 0) / 2 ** 31 - 1;
  }
  return out;
}

/** What a tensor holds of some numbers: f16 rounds them. */
function roundTo(spec: TensorSpec, data: Contents): Contents {
  return spec.dtype === "f16" ? data.map(Math.f16round) as Float32Array<ArrayBuffer> : data;
}

/** Contents of a tensor; block tables are integers. */
export type Contents = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** An input of a case: shape and type (f32) of a dense tensor, or a spec. */
export type CaseInput =
  & ({ readonly shape: readonly number[]; readonly dtype?: DType } | { readonly spec: TensorSpec })
  & {
    /** Contents, noise unless given; rounded to what the type can hold. */
    readonly data?: Contents;
  };

/** Spec of an input. */
export function inputSpec(input: CaseInput): TensorSpec {
  return "spec" in input ? input.spec : tensor(input.shape, input.dtype);
}

/**
 * One case: an operation, contents of its inputs, attributes.
 *
 * Tensors in the block layout belong to the block table among the inputs: unused blocks hold NaN in inputs and are left out
 * of every comparison. A table gets no gradient.
 */
export interface OpCase<A> {
  readonly op: OpDef<A>;
  readonly attrs: A;
  readonly inputs: readonly CaseInput[];
  readonly tolerance: Tolerance;
  /** Inputs without a gradient, e.g. masks. */
  readonly constant?: readonly number[];
  readonly gradientTolerance?: Tolerance;
}

interface Built {
  readonly graph: Graph;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly gradients: readonly (Value | null)[];
  readonly seeds: readonly Value[];
  readonly feeds: Map<Value, Contents>;
  /** Block table of the case, if it has one. */
  readonly table: Contents | undefined;
}

/** Builds `outputs` and, when the operation has a gradient rule, the gradients of `sum(output * seed)`. */
function buildCase<A>(c: OpCase<A>): Built {
  const graph = new Graph();
  const feeds = new Map<Value, Contents>();
  const table = c.inputs.find((x) => x.data instanceof Int32Array)?.data;
  const feed = (name: string, spec: TensorSpec, data: Contents) => {
    const value = graph.input(name, spec);
    feeds.set(value, fillUnused(spec, roundTo(spec, data), table));
    return value;
  };
  const inputs = c.inputs.map((x, i) => {
    const spec = inputSpec(x);
    return feed(`in${i}`, spec, x.data ?? noise(elementCount(spec.shape), i));
  });
  const outputs = graph.apply(c.op, inputs, c.attrs);
  if (!c.op.gradient) return { graph, inputs, outputs, gradients: [], seeds: [], feeds, table };
  const { spec } = outputs[0];
  const seed = feed("seed", spec, noise(elementCount(spec.shape), 77));
  const wrt = inputs.filter((v, i) => v.spec.dtype !== "i32" && !c.constant?.includes(i));
  const result = differentiate(graph, { seeds: new Map([[outputs[0], seed]]), wrt, add });
  return {
    graph,
    inputs,
    outputs,
    gradients: inputs.map((v) => result.get(v) ?? null),
    seeds: [seed],
    feeds,
    table,
  };
}

/** Runs values of a graph on the device and returns their contents. */
export async function runOnGpu(
  gpu: Gpu,
  graph: Graph,
  feeds: ReadonlyMap<Value, Contents>,
  targets: readonly Value[],
  options: { poison?: boolean } = {},
): Promise<Float32Array[]> {
  const names = targets.map((v, i) => {
    const existing = [...graph.outputs].find(([, value]) => value === v)?.[0];
    if (existing) return existing;
    graph.output(`target${i}`, v);
    return `target${i}`;
  });
  const plan = compile(graph, { device: gpu.facts, phases: { run: targets } });
  verifyPlan(plan, gpu.facts);
  using executor = await Executor.create(gpu, plan, options);
  for (const [value, data] of feeds) if (plan.named[value.name]) executor.write(value.name, data);
  executor.run("run");
  const results: Float32Array[] = [];
  for (const [i, name] of names.entries()) {
    results.push(
      targets[i].role === "node" || plan.named[name]
        ? await executor.read(name)
        : Float32Array.from(feeds.get(targets[i])!),
    );
  }
  return results;
}

/** Kernels against the reference, and kernel gradients against the interpreted gradient graph. */
export async function checkOp<A>(gpu: Gpu, c: OpCase<A>): Promise<void> {
  const built = buildCase(c);
  const feeds = new Map([...built.feeds].map(([v, d]) => [v, Float64Array.from(d)]));
  const targets = [
    ...built.outputs,
    ...built.gradients.filter((g): g is Value => g !== null && g.role === "node"),
  ];
  const unique = [...new Set(targets)];
  const wanted = interpret(built.graph, feeds, unique);
  const found = await runOnGpu(gpu, built.graph, built.feeds, unique, { poison: true });
  unique.forEach((value, i) => {
    const isOutput = built.outputs.includes(value);
    const which = isOutput
      ? `output ${built.outputs.indexOf(value)}`
      : `gradient of input ${built.gradients.indexOf(value)}`;
    const tolerance = isOutput ? c.tolerance : c.gradientTolerance ?? c.tolerance;
    assertAllClose(
      activeElements(value.spec, found[i], built.table),
      activeElements(value.spec, wanted.get(value)!, built.table),
      tolerance,
      `${c.op.name} ${JSON.stringify(c.attrs)} ${which}`,
    );
  });
}

/**
 * The interpreted gradient graph against central differences of the reference along one random direction, float64.
 * @throws {Error} when the directional derivatives differ by more than `tolerance` relatively
 */
export function checkGradient<A>(c: OpCase<A>, step = 1e-5, tolerance = 1e-6): void {
  const built = buildCase(c);
  const feeds = new Map([...built.feeds].map(([v, d]) => [v, Float64Array.from(d)]));
  const product = ({ spec }: Value, a: ArrayLike<number>, b: ArrayLike<number>) => {
    const [x, y] = [a, b].map((t) => activeElements(spec, t, built.table));
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
    return sum;
  };
  const [output] = built.outputs;
  const seed = feeds.get(built.seeds[0])!;
  const objective = (at: Map<Value, Float64Array>) =>
    product(output, interpret(built.graph, at, [output]).get(output)!, seed);
  built.inputs.forEach((value, i) => {
    if (value.spec.dtype === "i32" || c.constant?.includes(i)) return;
    const gradient = built.gradients[i];
    const direction = Float64Array.from(noise(elementCount(value.spec.shape), 500 + i));
    const moved = (sign: number) => {
      const at = new Map(feeds);
      at.set(value, feeds.get(value)!.map((v, k) => v + sign * step * direction[k]));
      return objective(at);
    };
    const numeric = (moved(1) - moved(-1)) / (2 * step);
    const analytic = gradient
      ? product(value, interpret(built.graph, feeds, [gradient]).get(gradient)!, direction)
      : 0;
    const scale = Math.max(1, Math.abs(numeric));
    if (!(Math.abs(numeric - analytic) <= tolerance * scale)) {
      throw new Error(
        `${c.op.name} gradient of input ${i}: found ${analytic}, finite differences give ${numeric}`,
      );
    }
  });
}
