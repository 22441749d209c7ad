/** Runs recorded cases on the GPU: graphs fed with recorded tensors. */
import { differentiate } from "../../kernels/graph/gradient.ts";
import { Graph, type Value } from "../../kernels/graph/graph.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { verifyPlan } from "../../kernels/graph/verify.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { Executor } from "../../kernels/runtime/executor.ts";
import { StagingRing } from "../../kernels/runtime/transfer.ts";
import { blockTable, blockTableRow } from "../../kernels/ops/blocks/table.ts";
import { type Dims3, elementCount, tensor } from "../../kernels/spec.ts";
import type { EncoderLayout, VisibleBlocks } from "../../model/masking.ts";
import { testGpu } from "../support/gpu.ts";
import type { Contents } from "../support/ops.ts";
import type { Checker, GoldenCase, GoldenGroup, TensorRef } from "./support.ts";

/** Contents of one graph input. */
export interface Fed {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** A recorded tensor as f32; integer labels become numbers. @throws {Error} when the case has no such tensor */
export function recorded(group: GoldenGroup, ref: TensorRef | undefined): Fed {
  if (ref === undefined) throw new Error("an input is not recorded");
  const { data, shape } = group.tensor(ref);
  return {
    shape,
    data: data instanceof Float32Array
      ? new Float32Array(data)
      : Float32Array.from(data as ArrayLike<number | bigint>, Number),
  };
}

/** Visible cells of each sample of a recorded mask `[N, 1, g0, g1, g2]`. */
function samplesOf({ shape, data }: Fed): Float32Array<ArrayBuffer>[] {
  const cells = elementCount(shape.slice(1));
  return Array.from({ length: shape[0] }, (_, n) => data.slice(n * cells, (n + 1) * cells));
}

/** Numbers of visible cells, sample by sample. */
export function visibleCounts(mask: Fed): number[] {
  return samplesOf(mask).map((sample) => sample.reduce((sum, v) => sum + v, 0));
}

/** Grid of recorded masks and room for the most visible blocks that any sample of them has. */
export function tableGrid(masks: readonly Fed[]): { grid: Dims3; kept: number } {
  const grid = masks[0].shape.slice(2) as unknown as Dims3;
  return { grid, kept: Math.max(...masks.flatMap(visibleCounts)) };
}

/** Contents of the block table of a recorded mask. */
export function tableOf(mask: Fed, at: { grid: Dims3; kept: number }): Int32Array<ArrayBuffer> {
  return Int32Array.from(samplesOf(mask).flatMap((sample) => [...blockTableRow(sample, at)]));
}

/** A graph whose inputs already have contents. */
export class FedGraph {
  readonly graph = new Graph();
  readonly feeds = new Map<Value, Contents>();

  /** Declares an input. */
  input(name: string, fed: Fed): Value {
    return this.feed(this.graph.input(name, tensor(fed.shape)), fed);
  }

  /** Declares what tells the visible blocks of a recorded mask in a layout. */
  visibleBlocks(layout: EncoderLayout, mask: Fed): VisibleBlocks {
    if (layout === "dense-masked") return this.input("mask", mask);
    const at = tableGrid([mask]);
    const table = this.graph.input("table", blockTable(mask.shape[0], at));
    this.feeds.set(table, tableOf(mask, at));
    return { ...at, table };
  }

  /** Gives contents to an input or parameter that is declared already. @throws {Error} when the sizes differ */
  feed(value: Value, { data, shape }: Fed): Value {
    if (elementCount(value.spec.shape) !== data.length || String(value.spec.shape) !== String(shape)) {
      throw new Error(`Cannot feed ${value.name} [${value.spec.shape}]: found [${shape}]`);
    }
    this.feeds.set(value, data);
    return value;
  }

  /** Gradients of `sum_i <outputs[i], seeds[i]>`; values that the outputs do not depend on are absent. */
  gradients(
    outputs: readonly Value[],
    seeds: readonly Value[],
    wrt: readonly Value[],
  ): ReadonlyMap<Value, Value> {
    return differentiate(this.graph, { seeds: new Map(outputs.map((v, i) => [v, seeds[i]])), wrt, add });
  }

  /** Runs everything that `targets` need, once, and reads them back. */
  async evaluate(targets: ReadonlyMap<string, Value>): Promise<Map<string, Float32Array>> {
    const gpu = await testGpu();
    const computed = [...new Set(targets.values())].filter((v) => v.role === "node");
    computed.forEach((v, i) => this.graph.output(`read back ${i}`, v));
    const plan = compile(this.graph, { device: gpu.facts, phases: { run: computed } });
    verifyPlan(plan, gpu.facts);
    using executor = await Executor.create(gpu, plan);
    for (const [value, data] of this.feeds) if (plan.named[value.name]) executor.write(value.name, data);
    executor.run("run");
    const contents = new Map<Value, Float32Array>();
    for (const [value, data] of this.feeds) if (data instanceof Float32Array) contents.set(value, data);
    const found = await readTogether(executor, computed.map((_, i) => `read back ${i}`));
    computed.forEach((v, i) => contents.set(v, found[i]));
    return new Map([...targets].map(([name, v]) => [name, contents.get(v)!]));
  }
}

/** Reads named f32 tensors back with one copy to the host: waiting for the GPU costs more than the bytes. */
export async function readTogether(executor: Executor, names: readonly string[]): Promise<Float32Array[]> {
  const ranges = names.map((name) => executor.plan.named[name]);
  const total = ranges.reduce((sum, range) => sum + range.size, 0);
  const { device } = executor.gpu;
  const gathered = device.createBuffer({
    size: total,
    usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
  });
  const encoder = device.createCommandEncoder();
  let at = 0;
  for (const { buffer, offset, size } of ranges) {
    encoder.copyBufferToBuffer(executor.buffers[buffer], offset, gathered, at, size);
    at += size;
  }
  device.queue.submit([encoder.finish()]);
  using staging = new StagingRing(executor.gpu);
  const bytes = await staging.read(gathered, 0, total);
  gathered.destroy();
  at = 0;
  return ranges.map(({ size, spec }) => {
    at += size;
    return new Float32Array(bytes, at - size, elementCount(spec.shape));
  });
}

/** One call to compare: what goes in and how the output is built. */
export interface RecordedCall {
  readonly inputs: Readonly<Record<string, Fed>>;
  /** Inputs that are data and get no gradient. */
  readonly constant?: readonly string[];
  /** Contents of the gradient of the output. */
  readonly gradOutput: Fed;
  build(graph: Graph, inputs: Readonly<Record<string, Value>>, fed: FedGraph): Value;
}

/** Results of a call: `y`, and `grad_<input>` for every input that receives a gradient. */
export async function runCall(call: RecordedCall): Promise<Map<string, Float32Array>> {
  const fed = new FedGraph();
  const inputs = Object.fromEntries(
    Object.entries(call.inputs).map(([name, at]) => [name, fed.input(name, at)]),
  );
  const y = call.build(fed.graph, inputs, fed);
  const seed = fed.input("gradient of the output", call.gradOutput);
  if (String(y.spec.shape) !== String(seed.spec.shape)) {
    throw new Error(`the output has shape [${y.spec.shape}], its recorded gradient [${seed.spec.shape}]`);
  }
  const wrt = Object.entries(inputs).filter(([name]) => !call.constant?.includes(name));
  const gradients = fed.gradients([y], [seed], wrt.map(([, value]) => value));
  const targets = new Map([["y", y]]);
  for (const [name, value] of wrt) {
    const gradient = gradients.get(value);
    if (gradient) targets.set(`grad_${name}`, gradient);
  }
  return await fed.evaluate(targets);
}

/** Suffixes of tensors that hold another evaluation of the tensor named before them. */
const EVALUATIONS = /(_intended)?_f64$/;

/**
 * Compares results with a case's outputs by name. `y_f64` and `y_intended_f64` are compared with `y` under the tolerance of `y`.
 * An output that the results lack is a miss; an output that holds every k-th element is compared with those.
 */
export function compareOutputs(
  check: Checker,
  c: GoldenCase,
  results: ReadonlyMap<string, Float32Array>,
  wanted: (output: string) => boolean = () => true,
): void {
  for (const [name, ref] of Object.entries(c.outputs)) {
    if (!wanted(name)) continue;
    const result = results.get(name) ?? results.get(name.replace(EVALUATIONS, ""));
    if (!result) {
      check.miss(c.id, name, "nothing computes this output");
      continue;
    }
    const tolerance = ref.tolerance ?? c.outputs[name.replace(EVALUATIONS, "")]?.tolerance;
    check.close(
      c.id,
      name,
      subsample(result, elementCount(ref.shape), notedStride(c)),
      tolerance ? { ...ref, tolerance } : ref,
    );
  }
}

/** The k of a note "every k-th element". */
function notedStride(c: GoldenCase): number[] {
  const found = /every (\d+)(?:st|nd|rd|th) element/.exec(String(c.notes ?? ""));
  return found ? [Number(found[1])] : [];
}

/** Elements 0, k, 2k, ... so that `length` remain, k the noted one or what the lengths tell; the array itself when no k fits. */
function subsample(values: Float32Array, length: number, noted: readonly number[]): Float32Array {
  if (values.length <= length || length === 0) return values;
  const every = [...noted, Math.floor(values.length / length), Math.ceil(values.length / length)]
    .find((k) => Math.ceil(values.length / k) === length);
  return every === undefined ? values : values.filter((_, i) => i % every === 0);
}

/** Runs `compare` for every case; an exception (unknown op, refused shape) is a miss of that case. */
export async function eachCase(
  group: GoldenGroup,
  check: Checker,
  compare: (c: GoldenCase) => Promise<void>,
): Promise<void> {
  for (const c of group.manifest.cases) {
    try {
      await compare(c);
    } catch (error) {
      check.miss(c.id, c.op, error instanceof Error ? `${error.name}: ${error.message}` : String(error));
    }
  }
}

/** An attribute that must be three numbers; one number stands for all axes. @throws {Error} when it is neither */
export function dims3(value: unknown, what: string): Dims3 {
  if (typeof value === "number") return [value, value, value];
  if (Array.isArray(value) && value.length === 3 && value.every((v) => typeof v === "number")) {
    return value as unknown as Dims3;
  }
  throw new Error(`${what} is ${JSON.stringify(value)}, wanted a number or three`);
}

/** Throws unless an attribute, where present, has the only value that the operation offers; a number stands for three. */
export function requireAttribute(c: GoldenCase, name: string, wanted: unknown): void {
  const found = c.attributes[name];
  const same = JSON.stringify(found) === JSON.stringify(wanted);
  const spread = Array.isArray(wanted) ? wanted : Array.isArray(found) ? found.map(() => wanted) : null;
  if (found === undefined || same) return;
  if (
    spread &&
    JSON.stringify(Array.isArray(found) ? found : spread.map(() => found)) === JSON.stringify(spread)
  ) return;
  throw new Error(`${name} is ${JSON.stringify(found)}, this operation has ${JSON.stringify(wanted)} only`);
}
