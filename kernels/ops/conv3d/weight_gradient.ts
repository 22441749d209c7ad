/** Lowers the weight and bias gradient of a convolution: partial sums by chunk of rows, then the sum of the chunks. */
import { type DeviceFacts, type KernelSpec, type Lowering, tensor, type TensorSpec } from "../../spec.ts";
import { type KernelDraft, output, scratch } from "../../wgsl/module.ts";
import type { Store } from "../accumulation.ts";
import { channelTotals } from "./bias_gradient.ts";
import { borderKernel } from "./border.wgsl.ts";
import { type ConvGeometry, volumeOf } from "./geometry.ts";
import { storedVoxels } from "./placement.ts";
import { sumChunksKernel } from "./sum_chunks.wgsl.ts";
import { partialSumsKernel, threadsOf } from "./weight_gradient.wgsl.ts";
import { borderedPair, type Operand, type Pair, pairOf } from "./weight_gradient_pair.ts";
import { chooseWeightTile, tileRows, type WeightTile } from "./weight_gradient_tile.ts";

/** A weight gradient over the sources that stand for one concatenated input. */
export interface WeightGradientDraft {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly geometry: ConvGeometry;
  /** Inputs, each in a layout of its own. */
  readonly sources: readonly Operand[];
  readonly dy: Operand;
  /** The block table, `array<i32>` named `blockTable`; null when no operand is in the block layout. */
  readonly table: KernelDraft["bindings"][number] | null;
  readonly bias: boolean;
  /** How the gradients of weight and bias are stored, and whether that of the weight is added onto what is there. */
  readonly stores: readonly [weight: Store, bias: Store];
  readonly accumulates: boolean;
}

/** A pair with the tile that suits it. */
interface Task {
  readonly pair: Pair;
  readonly tile: WeightTile;
}

/** Threads that keep a device busy. */
const THREADS = { software: 256, gpu: 32768 } as const;
/** Most bytes of partial sums. */
const PARTIAL_BYTES = 64 * 2 ** 20;
/** Most chunks: the second stage adds them one after another. */
const CHUNKS = 1024;
/** Most multiply-adds of a dispatch, so that systems that watch the GPU do not end it: 0.2 s at 1 TFLOP/s. */
const DISPATCH_MACS = 1e11;

/** Partial sums in scratch, then the weight gradient into output 0 and, with bias, its gradient into output 1. */
export function lowerWeightGradient(draft: WeightGradientDraft, choose = chooseWeightTile): Lowering {
  const { label, device, sources, dy, geometry } = draft;
  const [n, outChannels] = dy.spec.shape;
  const channels = sources.reduce((sum, s) => sum + s.spec.shape[1], 0);
  const total = outChannels * channels * volumeOf(geometry.kernel);
  const kernels: KernelSpec[] = [];
  const scratches: TensorSpec[] = [];
  let first = 0;
  const chosen = sources.map((source): Task => {
    const plain = pairOf(geometry, source, dy, first, channels);
    first += source.spec.shape[1];
    const bordered = borderedPair(plain, scratch(scratches.length, "bordered", "read"), device.maxBinding);
    if (bordered) {
      kernels.push(borderKernel({
        label: `${label} border`,
        device,
        source: source.binding,
        spec: source.spec,
        extent: bordered.extent,
        padding: plain.padding,
        table: draft.table!,
        target: scratch(scratches.length, "bordered", "read_write"),
      }));
      scratches.push(bordered.halo.spec);
    }
    const pair = bordered ?? plain;
    return { pair, tile: choose(pair, n, device) };
  });
  const lanes = Math.min(...chosen.map(({ tile }) => tile.lanes)); // all sources have the same partial sums
  const tasks = chosen.map(({ pair, tile }): Task => ({ pair, tile: { ...tile, lanes } }));
  const chunks = chunkCount(tasks, n, total * lanes, device);
  const direct = chunks * lanes === 1 && !draft.accumulates;
  const partial = direct ? output(0, "dw") : scratch(scratches.length, "partials", "read_write");
  for (const task of tasks) {
    for (const [from, to] of ranges(task, n, chunks)) {
      kernels.push(partialSumsKernel({
        ...task,
        label: `${label} partial`,
        device,
        n,
        chunks,
        from,
        to,
        total,
        table: draft.table,
        partial,
      }));
    }
  }
  if (!direct) {
    kernels.push(sumChunksKernel({
      label: `${label} sum`,
      device,
      chunks: chunks * lanes,
      total,
      partial: scratch(scratches.length, "partials", "read"),
      sums: output(0, "dw"),
      store: draft.stores[0],
    }));
    scratches.push(tensor([chunks * lanes, total]));
  }
  if (draft.bias) {
    const bias = channelTotals({
      label: `${label} bias`,
      device,
      spec: dy.spec,
      source: dy.binding,
      table: draft.table?.port.index,
      target: output(1, "db"),
      partial: scratches.length,
      store: draft.stores[1],
    });
    kernels.push(...bias.kernels);
    scratches.push(bias.scratch);
  }
  return { variant: tasks.map(variantOf).join(", "), scratch: scratches, kernels };
}

/** Chunks of rows that are summed apart: as many as keep the device busy. */
function chunkCount(tasks: readonly Task[], n: number, total: number, device: DeviceFacts): number {
  const wanted = device.software ? THREADS.software : THREADS.gpu;
  const threads = Math.min(...tasks.map(({ pair, tile }) => threadsOf(pair, tile)));
  const rows = Math.max(...tasks.map(({ pair, tile }) => {
    const [z, y] = tileRows(pair, tile);
    return n * z * y * (pair.still.placement.blocks?.kept ?? 1);
  }));
  const fitting = Math.max(1, Math.floor(PARTIAL_BYTES / (4 * total)));
  return Math.min(Math.ceil(wanted / threads), rows, fitting, CHUNKS);
}

/** Chunks of each dispatch. */
function ranges({ pair }: Task, n: number, chunks: number): readonly [number, number][] {
  const { still, halo, kernel } = pair;
  const macs = n * still.channels * halo.channels * volumeOf(kernel) * storedVoxels(still.placement);
  const dispatches = Math.min(chunks, Math.ceil(macs / DISPATCH_MACS));
  const each = Math.ceil(chunks / dispatches);
  return Array.from(
    { length: Math.ceil(chunks / each) },
    (_, i) => [i * each, Math.min(chunks, (i + 1) * each)],
  );
}

function variantOf({ tile }: Task): string {
  return `${tile.size.join("x")} voxels x ${4 * tile.quads} x ${tile.halos} channels, loads of ${tile.width}`;
}
