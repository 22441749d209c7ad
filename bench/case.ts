/** One benchmark case: an operation, its inputs, and the graph of its forward and backward application. */
import { differentiate } from "../kernels/graph/gradient.ts";
import { Graph, type Value } from "../kernels/graph/graph.ts";
import { add } from "../kernels/ops/add/op.ts";
import { type BlockGrid, blockTable, blockTableRow, cellCount } from "../kernels/ops/blocks/table.ts";
import { elementCount, type OpDef, tensor, type TensorSpec } from "../kernels/spec.ts";
import { type Contents, contents } from "./data.ts";

/** An input of a case. */
export interface CaseInput {
  readonly shape: readonly number[];
  /** `table`: a block table that keeps as many blocks as it has room for. */
  readonly contents?: Contents | "table";
  /** Contents themselves, of a dense tensor of their type; `contents` does not count then. */
  readonly data?: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;
  /** Grid and capacity of a tensor in the block layout, or of a block table. */
  readonly blocks?: BlockGrid;
  /** Whether the gradient with respect to this input is measured; noise is by default, everything else is not. */
  readonly gradient?: boolean;
}

/** An operation at one shape. */
export interface BenchCase {
  // deno-lint-ignore no-explicit-any -- attributes differ by operation
  readonly op: OpDef<any>;
  readonly attrs: unknown;
  readonly shape: string;
  readonly inputs: readonly CaseInput[];
}

/** The cases of one operation, cheapest first, and a small one that is compared with the reference. */
export interface CaseFamily {
  readonly name: string;
  readonly small: readonly BenchCase[];
  readonly cases: readonly BenchCase[];
}

/** A case as a graph. */
export interface BuiltCase {
  readonly graph: Graph;
  readonly targets: readonly Value[];
  readonly feeds: ReadonlyMap<Value, () => CaseData>;
  /** Arithmetic and ideal traffic by operation. */
  readonly costs: ReadonlyMap<string, { readonly flop: number; readonly bytes: number }>;
}

/** Contents of an input. */
export type CaseData =
  | Float32Array<ArrayBuffer>
  | Float16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>;

/** Spec of an input. */
function specOf({ shape, contents, data, blocks }: CaseInput): TensorSpec {
  if (data instanceof Uint32Array) return tensor(shape, "u32");
  if (data) return tensor(shape, data instanceof Int32Array ? "i32" : "f32");
  if (!blocks) return tensor(shape);
  if (contents === "table") return blockTable(shape[0], blocks);
  return { ...tensor(shape), layout: { kind: "blocks", grid: blocks.grid } };
}

/** A table that keeps every block it has room for, in places spread over the grid. */
function fullTable(at: BlockGrid): Int32Array<ArrayBuffer> {
  const cells = cellCount(at.grid);
  const keys = contents("noise", cells, 1);
  const order = Array.from(keys.keys()).sort((a, b) => keys[a] - keys[b]);
  const kept = new Uint8Array(cells);
  for (const cell of order.slice(0, at.kept)) kept[cell] = 1;
  return blockTableRow(kept, at);
}

/** Builds forward and, when the operation has a gradient rule, backward with a seed of noise on the first output. */
export function buildCase({ op, attrs, inputs }: BenchCase): BuiltCase {
  const graph = new Graph();
  const feeds = new Map<Value, () => CaseData>();
  const feed = (name: string, spec: TensorSpec, kind: Contents, seed: number) => {
    const value = graph.input(name, spec);
    feeds.set(value, () => {
      const data = contents(kind, elementCount(spec.shape), seed);
      return spec.dtype === "f16" ? Float16Array.from(data) : data;
    });
    return value;
  };
  const values = inputs.map((x, i) => {
    const { data } = x;
    if (data) {
      const value = graph.input(`in${i}`, specOf(x));
      feeds.set(value, () => data);
      return value;
    }
    if (x.contents !== "table") return feed(`in${i}`, specOf(x), x.contents ?? "noise", i);
    const table = graph.input(`in${i}`, specOf(x));
    feeds.set(table, () => fullTable(x.blocks!));
    return table;
  });
  const outputs = graph.apply(op, values, attrs);
  const wrt = values.filter((_, i) =>
    inputs[i].gradient ?? (!inputs[i].data && (inputs[i].contents ?? "noise") === "noise")
  );
  let gradients: readonly Value[] = [];
  if (op.gradient && wrt.length > 0) {
    const seed = feed("seed", outputs[0].spec, "noise", 77);
    gradients = [...differentiate(graph, { seeds: new Map([[outputs[0], seed]]), wrt, add }).values()];
  }
  const costs = new Map<string, { flop: number; bytes: number }>();
  for (const node of graph.nodes) {
    const specs = [node.inputs, node.outputs].map((list) => list.map((v) => v.spec));
    const { flop, bytesRead, bytesWritten } = node.op.cost(specs[0], specs[1], node.attrs);
    const before = costs.get(node.op.name) ?? { flop: 0, bytes: 0 };
    costs.set(node.op.name, { flop: before.flop + flop, bytes: before.bytes + bytesRead + bytesWritten });
  }
  return { graph, targets: [...outputs, ...gradients.filter((g) => g.role === "node")], feeds, costs };
}
