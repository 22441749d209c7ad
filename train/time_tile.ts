import { hashRandom } from "../data/random.ts";
import { Graph, type Node } from "../kernels/graph/graph.ts";
import { compile } from "../kernels/graph/plan.ts";
import { type BlockGrid, blockGridOf, blockTableRow, cellCount } from "../kernels/ops/blocks/table.ts";
import type { Gpu } from "../kernels/runtime/device.ts";
import { Executor } from "../kernels/runtime/executor.ts";
import type { ProfileClock } from "../kernels/runtime/profile.ts";
import { elementCount, type Plan, type TensorSpec, type Tile } from "../kernels/spec.ts";

/** One tile of one gather. */
export interface TileTiming {
  readonly gpu: Gpu;
  readonly clock: ProfileClock;
  /** A node that computes the gather. */
  readonly node: Node;
  readonly key: string;
  readonly tile: Tile;
  /** Milliseconds of the best tile so far, Infinity for the first: a much slower one is timed once only. */
  readonly best: number;
}

/** Milliseconds to compile and run once after which a tile, unless it is the first, counts as too slow to go on with. */
const LONGEST_START_MS = 15_000;
const RUNS = 3;
/** A first run this many times as long as the best tile's ends the timing. */
const HOPELESS = 1.5;
/** Period of the noise in the inputs, elements. */
const NOISE = 4099;

/**
 * Times a node by itself with a given tile: one run to warm up, then the median of three.
 *
 * @returns milliseconds of the node's dispatches; null when it took too long to start
 * @throws {LimitError} when its tensors or its grid exceed the device
 * @throws {DeviceError} when the device fails
 */
export async function timeTile({ gpu, clock, node, key, tile, best }: TileTiming): Promise<number | null> {
  const plan = planWith(gpu, node, key, tile);
  const started = performance.now();
  using executor = await Executor.create(gpu, plan);
  node.inputs.forEach(({ spec }, i) => executor.write(`in${i}`, contentsOf(spec, node, i)));
  executor.run("run");
  await executor.finish();
  if (best < Infinity && performance.now() - started > LONGEST_START_MS) return null;
  const times: number[] = [];
  while (times.length < RUNS) {
    const dispatches = await executor.profile("run", clock);
    times.push(dispatches.reduce((sum, { ms }) => sum + ms, 0));
    if (times[0] > HOPELESS * best) return times[0];
  }
  return times.sort((a, b) => a - b)[RUNS >> 1];
}

function planWith(gpu: Gpu, node: Node, key: string, tile: Tile): Plan {
  const graph = new Graph();
  const inputs = node.inputs.map(({ spec }, i) => graph.input(`in${i}`, spec));
  const outputs = graph.apply(node.op, inputs, node.attrs);
  return compile(graph, {
    device: gpu.facts,
    phases: { run: outputs },
    tuning: {
      adapter: gpu.facts.adapter,
      runtime: "",
      entries: { [key]: { ...tile, ms: 0, ruleMs: 0 } },
    },
  });
}

/** Noise, or for the block table one that keeps every block it has room for. */
function contentsOf(
  spec: TensorSpec,
  node: Node,
  seed: number,
): Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> {
  const at = [...node.inputs, ...node.outputs].map((v) => blockGridOf(v.spec)).find((grid) => grid !== null);
  if (spec.dtype === "i32" && at) return fullTable(spec.shape[0], at);
  const data = new Float32Array(elementCount(spec.shape));
  const random = hashRandom(seed);
  for (let i = 0; i < Math.min(NOISE, data.length); i++) data[i] = random.normal();
  for (let filled = NOISE; filled < data.length; filled *= 2) data.copyWithin(filled, 0, filled);
  return data;
}

/** Block tables of `n` samples that keep as many blocks as there is room for, spread over the grid. */
function fullTable(n: number, at: BlockGrid): Int32Array<ArrayBuffer> {
  const cells = cellCount(at.grid);
  const kept = new Uint8Array(cells);
  for (const cell of hashRandom(cells).permutation(cells).subarray(0, at.kept)) kept[cell] = 1;
  const row = blockTableRow(kept, at);
  return Int32Array.from({ length: n * row.length }, (_, i) => row[i % row.length]);
}
