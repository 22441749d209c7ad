// Second stage of a weight gradient: adds the chunks of partial sums in order.
//   dw[o,i,k] = sum_chunk partials[chunk, o, i, k];  db[o] = sum_chunk totals[chunk, o]
// Layout   partials: one array after another for each source, [chunk, O, I of the source, taps]; totals: [chunk, O]
// Work     1 thread = 1 sum      Limits 4 storage bindings
// Siblings weight_gradient.wgsl.ts (first stage)   Reference reference.ts
import type { DeviceFacts, KernelSpec } from "../../spec.ts";
import type { Store } from "../accumulation.ts";
import { kernel, type KernelDraft, type Param, WORKGROUP } from "../../wgsl/module.ts";

type Binding = KernelDraft["bindings"][number];

/** Sums over chunks. */
export interface ChunkSums {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly outChannels: number;
  readonly taps: number;
  /** One to three sources: input channels and chunks. */
  readonly sources: readonly { readonly channels: number; readonly chunks: number }[];
  readonly partial: Binding;
  readonly sums: Binding;
  /** Writes the sums, or adds them onto what is there. */
  readonly store: Store;
  /** The bias and its chunks; null without one. */
  readonly bias:
    | { readonly chunks: number; readonly totals: Binding; readonly sums: Binding; readonly store: Store }
    | null;
}

/** Numbers in the partial sums of some sources. */
export function partialCount(
  { outChannels, taps, sources }: Pick<ChunkSums, "outChannels" | "taps" | "sources">,
): number {
  return sources.reduce((sum, { channels, chunks }) => sum + outChannels * channels * taps * chunks, 0);
}

/** Text and grid of the second stage. */
export function sumChunksKernel(draft: ChunkSums): KernelSpec {
  const { outChannels, taps, sources, store, bias } = draft;
  const params: Record<string, Param> = {};
  let width = 0;
  for (const s of [0, 1, 2]) {
    params[`first${s}`] = width;
    params[`base${s}`] = partialCount({ outChannels, taps, sources: sources.slice(0, s) });
    params[`width${s}`] = (sources[s]?.channels ?? 0) * taps;
    params[`chunks${s}`] = sources[s]?.chunks ?? 0;
    width += (sources[s]?.channels ?? 0) * taps;
  }
  const total = outChannels * width;
  const of = (name: string) => `select(select(p.${name}0, p.${name}1, second), p.${name}2, third)`;
  const sums = { ...draft.sums, name: "sums" };
  const biasSums = bias && { ...bias.sums, name: "biasSums" };
  return kernel({
    label: draft.label,
    device: draft.device,
    bindings: [
      { ...draft.partial, name: "partials" },
      sums,
      ...(bias ? [{ ...bias.totals, name: "totals" }, biasSums!] : []),
    ],
    params: {
      ...params,
      total,
      width,
      outChannels,
      ...store.params,
      ...(bias ? { biasChunks: bias.chunks, ...bias.store.params } : {}),
    },
    groups: Math.ceil((total + (bias ? outChannels : 0)) / WORKGROUP),
    body: `
var sum = 0.0;
if (tid < p.total) {
  // a division of integers takes software devices longer than the sum: one of floats is wrong by one at most
  let guess = u32(f32(tid) / f32(p.width)); let rest = i32(tid - guess * p.width);
  let o = guess + select(0u, 1u, rest >= i32(p.width)) - select(0u, 1u, rest < 0);
  let within = tid - o * p.width;
  let second = within >= p.first1; let third = within >= p.first2;
  let width = ${of("width")};
  let at = ${of("base")} + o * width + within - ${of("first")};
  let step = p.outChannels * width; let chunks = ${of("chunks")};
  for (var k = 0u; k < chunks; k++) { sum = sum + partials[at + k * step]; }
  ${store.into(sums, "tid", "sum")}
}
${
      bias
        ? `let o = tid - p.total;
if ((tid >= p.total) & (o < p.outChannels)) {
  for (var k = 0u; k < p.biasChunks; k++) { sum = sum + totals[k * p.outChannels + o]; }
  ${bias.store.into(biasSums!, "o", "sum")}
}`
        : ""
    }`,
  });
}
