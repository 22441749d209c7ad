/** Lowers the weight and bias gradient of a convolution: partial sums by chunk of rows, then the sum of the chunks. */
import {
  type Access,
  type DeviceFacts,
  type KernelSpec,
  type Lowering,
  tensor,
  type TensorSpec,
} from "../../spec.ts";
import { type KernelDraft, output, scratch } from "../../wgsl/module.ts";
import { type Store, WRITE } from "../accumulation.ts";
import { channelTotals } from "./bias_gradient.ts";
import { borderKernel } from "./border.wgsl.ts";
import { type ConvGeometry, volumeOf } from "./geometry.ts";
import { storedVoxels } from "./placement.ts";
import { partialCount, sumChunksKernel } from "./sum_chunks.wgsl.ts";
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
  /** How the gradients of weight and bias are stored. */
  readonly stores: readonly [weight: Store, bias: Store];
}

/** A pair with the tile that suits it, and the chunks that its rows are summed in. */
interface Task {
  readonly pair: Pair;
  readonly tile: WeightTile;
  readonly chunks: number;
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
  const taps = volumeOf(geometry.kernel);
  const channels = sources.reduce((sum, s) => sum + s.spec.shape[1], 0);
  const kernels: KernelSpec[] = [];
  const scratches: TensorSpec[] = [];
  const chosen = sources.map((source) => {
    const plain = pairOf(geometry, source, dy);
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
  const lanes = Math.max(...chosen.map(({ tile }) => tile.lanes));
  const most = Math.floor(PARTIAL_BYTES / (4 * outChannels * channels * taps * lanes));
  const tasks = chosen.map(({ pair, tile }): Task => ({
    pair,
    tile,
    chunks: chunkCount(pair, tile, n, most, device),
  }));
  const sums = tasks.map(({ tile, chunks }, i) => ({
    channels: sources[i].spec.shape[1],
    chunks: chunks * tile.lanes,
  }));
  const direct = sums.every(({ chunks }) => chunks === 1);
  const summing = draft.bias ? tasks.findIndex(({ pair }) => !pair.mirrored) : -1; // adds up dy
  const adds = tasks.map(({ pair, tile }) => !pair.mirrored && (draft.bias || addsAnyway(pair, tile)));
  const partialAt = direct
    ? 0
    : scratches.push(tensor([partialCount({ outChannels, taps, sources: sums })])) - 1;
  const partial = (access: Access) => direct ? output(0, "dw") : scratch(partialAt, "partials", access);
  const intoBias = direct && summing >= 0;
  const totalsAt = intoBias || !adds.includes(true)
    ? 0
    : scratches.push(tensor([summing < 0 ? 1 : sums[summing].chunks, outChannels])) - 1;
  const totals = (access: Access) => intoBias ? output(1, "db") : scratch(totalsAt, "totals", access);
  tasks.forEach((task, i) => {
    const before = sources.slice(0, i).reduce((sum, s) => sum + s.spec.shape[1], 0);
    const place = direct ? { channels, first: before, base: 0 } : {
      channels: sums[i].channels,
      first: 0,
      base: partialCount({ outChannels, taps, sources: sums.slice(0, i) }),
    };
    for (const [from, to] of ranges(task, n)) {
      kernels.push(partialSumsKernel({
        ...task,
        ...place,
        label: `${label} partial`,
        device,
        n,
        from,
        to,
        table: draft.table,
        partial: partial("read_write"),
        store: direct ? draft.stores[0] : WRITE,
        totals: adds[i] ? totals("read_write") : null,
        totalsStore: direct ? draft.stores[1] : WRITE,
        storesTotals: summing === i,
      }));
    }
  });
  if (!direct) {
    kernels.push(sumChunksKernel({
      label: `${label} sum`,
      device,
      outChannels,
      taps,
      sources: sums,
      partial: partial("read"),
      sums: output(0, "dw"),
      store: draft.stores[0],
      bias: summing < 0 ? null : {
        chunks: sums[summing].chunks,
        totals: totals("read"),
        sums: output(1, "db"),
        store: draft.stores[1],
      },
    }));
  }
  if (draft.bias && summing < 0) {
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

/** Whether dy is added up even where nobody wants it: for one text more layers, at 1/27 of the arithmetic. */
function addsAnyway(pair: Pair, tile: WeightTile): boolean {
  return tile.common && volumeOf(pair.kernel) > 8;
}

/** Chunks of rows that are summed apart: as many as keep the device busy. @param most as many as fit */
function chunkCount(pair: Pair, tile: WeightTile, n: number, most: number, device: DeviceFacts): number {
  const wanted = device.software ? THREADS.software : THREADS.gpu;
  const [z, y] = tileRows(pair, tile);
  const rows = n * z * y * (pair.still.placement.blocks?.kept ?? 1);
  return Math.min(Math.ceil(wanted / threadsOf(pair, tile)), rows, Math.max(1, most), CHUNKS);
}

/** Chunks of each dispatch. */
function ranges({ pair, chunks }: Task, n: number): readonly [number, number][] {
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
