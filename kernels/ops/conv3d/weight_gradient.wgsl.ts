// Weight and bias gradient of a convolution in two stages, sums in fixed order.
//   dw[o,c,k] = sum_{n,q} dy[n,o,q] * x[n,c, s*q + k - pad],  db[o] = sum_{n,q} dy[n,o,q]
// Stage 1  1 thread = 4 output channels x 1 input channel x all taps over a chunk of output rows; partial [chunk, O*I*K + O]
// Stage 2  1 thread = 1 weight, adds the chunks
// Layout   x, dy: [N, C, D, H, W]; dw: [O, I, K]       Limits 3 storage bindings, no workgroup memory
// Siblings gather.wgsl.ts   Reference reference.ts
import type { DeviceFacts, KernelSpec, TensorSpec } from "../../spec.ts";
import { kernel, type KernelDraft, WORKGROUP } from "../../wgsl/module.ts";
import { type ConvGeometry, volumeOf } from "./geometry.ts";
import { placementOf } from "./placement.ts";

type Binding = KernelDraft["bindings"][number];

/** Voxels of an output row that a thread handles at a time. */
const STEP = 4;
/** Threads that keep a device busy. */
const THREADS = 4096;
/** Most bytes of partial sums. */
const PARTIAL_BYTES = 64 * 2 ** 20;

/** An activation that takes part: how it is bound, and its shape, layout and element type (f32 or f16). */
export interface Operand {
  readonly binding: Binding;
  readonly spec: TensorSpec;
}

/** A weight gradient over the sources that stand for one concatenated input. */
export interface WeightGradientDraft {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly geometry: ConvGeometry;
  /** Inputs, each in a layout of its own. */
  readonly sources: readonly Operand[];
  readonly dy: Operand;
  /** Block table, bound as `blockTable` (i32); null when no operand is in the block layout. */
  readonly table: Binding | null;
  readonly bias: boolean;
}

/** Weights, then biases, of one chunk of partial sums. */
export function partialCount(draft: WeightGradientDraft): number {
  const channels = draft.sources.reduce((sum, s) => sum + s.spec.shape[1], 0);
  return draft.dy.spec.shape[1] * channels * volumeOf(draft.geometry.kernel) +
    (draft.bias ? draft.dy.spec.shape[1] : 0);
}

/** Chunks of output rows that are summed separately. */
export function chunkCount(draft: WeightGradientDraft): number {
  const outSize = placementOf(draft.dy.spec).size;
  const rows = draft.dy.spec.shape[0] * outSize[0] * outSize[1];
  const threads = Math.ceil(draft.dy.spec.shape[1] / 4) *
    Math.min(...draft.sources.map((s) => s.spec.shape[1]));
  const fitting = Math.max(1, Math.floor(PARTIAL_BYTES / (4 * partialCount(draft))));
  return Math.max(1, Math.min(rows, Math.ceil(THREADS / threads), fitting, 512));
}

/** Stage 1: one kernel a source. */
export function partialKernels(draft: WeightGradientDraft, partial: Binding): readonly KernelSpec[] {
  let first = 0;
  return draft.sources.map((source, s) => {
    const spec = partialKernel(draft, source, first, draft.bias && s === 0, partial);
    first += source.spec.shape[1];
    return spec;
  });
}

function partialKernel(
  draft: WeightGradientDraft,
  source: Operand,
  first: number,
  bias: boolean,
  partial: Binding,
): KernelSpec {
  const { geometry: g } = draft;
  const [inSize, outSize] = [source.spec, draft.dy.spec].map((spec) => placementOf(spec).size);
  const [kd, kh, kw] = g.kernel;
  const taps = volumeOf(g.kernel);
  const chunks = chunkCount(draft);
  const rows = draft.dy.spec.shape[0] * outSize[0] * outSize[1];
  const outQuads = Math.ceil(draft.dy.spec.shape[1] / 4);
  const lines: string[] = [
    `let c = tid % p.channels; let rest = tid / p.channels;`,
    `let o = (rest % p.outQuads) * 4u; let chunk = rest / p.outQuads;`,
    `if (chunk >= p.chunks) { return; }`,
  ];
  for (let k = 0; k < taps; k++) lines.push(`var a${k} = vec4f();`);
  if (bias) lines.push(`var total = vec4f();`);
  for (let j = 0; j < 4; j++) lines.push(`let o${j} = min(o + ${j}u, p.outChannels - 1u);`);
  lines.push(
    `let end = min((chunk + 1u) * p.chunkRows, p.rows);`,
    `for (var row = chunk * p.chunkRows; row < end; row++) {`,
    `let y = row % p.outH; let z = (row / p.outH) % p.outD; let n = row / (p.outH * p.outD);`,
    `let inPlane = i32((n * p.channels + c) * p.inVoxels);`,
  );
  for (let j = 0; j < 4; j++) {
    lines.push(`let d${j} = ((n * p.outChannels + o${j}) * p.outD + z) * p.outH * p.outW + y * p.outW;`);
  }
  for (let i = 0; i < kd; i++) {
    for (let j = 0; j < kh; j++) {
      lines.push(
        `let z${i}_${j} = i32(z) * ${g.stride[0]} + ${i - g.padding[0]}; let y${i}_${j} = i32(y) * ${
          g.stride[1]
        } + ${j - g.padding[1]};`,
        `let k${i}_${j} = (z${i}_${j} >= 0) & (z${i}_${j} < i32(p.inD)) & (y${i}_${j} >= 0) & (y${i}_${j} < i32(p.inH));`,
        `let r${i}_${j} = inPlane + (z${i}_${j} * i32(p.inH) + y${i}_${j}) * i32(p.inW);`,
      );
    }
  }
  const columns = g.stride[2] * (STEP - 1) + kw;
  lines.push(`for (var x = 0u; x < p.outW; x += ${STEP}u) {`);
  for (let t = 0; t < STEP; t++) {
    lines.push(
      `let g${t} = select(vec4f(), vec4f(${
        [0, 1, 2, 3].map((j) => `dy[d${j} + x + ${t}u]`).join(", ")
      }), x + ${t}u < p.outW);`,
    );
  }
  if (bias) lines.push(`total = total + ((g0 + g1) + (g2 + g3));`);
  lines.push(`let ix = i32(x) * ${g.stride[2]} - ${g.padding[2]};`);
  for (let m = 0; m < columns; m++) lines.push(`let kx${m} = (ix + ${m} >= 0) & (ix + ${m} < i32(p.inW));`);
  for (let i = 0; i < kd; i++) {
    for (let j = 0; j < kh; j++) {
      lines.push(`{`);
      for (let m = 0; m < columns; m++) {
        if (!usedColumn(m, g.stride[2], kw)) continue;
        lines.push(
          `let v${m} = select(0.0, ${source.binding.name}[u32(r${i}_${j} + ix + ${m})], k${i}_${j} & kx${m});`,
        );
      }
      for (let k = 0; k < kw; k++) {
        const a = `a${(i * kh + j) * kw + k}`;
        for (let t = 0; t < STEP; t++) lines.push(`${a} = fma(g${t}, vec4f(v${t * g.stride[2] + k}), ${a});`);
      }
      lines.push(`}`);
    }
  }
  lines.push(`} }`, `let at = chunk * p.partial;`);
  for (let j = 0; j < 4; j++) {
    lines.push(`if (o + ${j}u < p.outChannels) {`);
    lines.push(`let w = at + ((o + ${j}u) * p.allChannels + p.first + c) * ${taps}u;`);
    for (let k = 0; k < taps; k++) lines.push(`partials[w + ${k}u] = a${k}.${"xyzw"[j]};`);
    if (bias) {
      lines.push(
        `if (c == 0u) { partials[at + p.outChannels * p.allChannels * ${taps}u + o + ${j}u] = total.${
          "xyzw"[j]
        }; }`,
      );
    }
    lines.push(`}`);
  }
  return kernel({
    label: `${draft.label} partial`,
    device: draft.device,
    bindings: [source.binding, draft.dy.binding, partial],
    params: {
      channels: source.spec.shape[1],
      allChannels: draft.sources.reduce((sum, s) => sum + s.spec.shape[1], 0),
      first,
      outChannels: draft.dy.spec.shape[1],
      outQuads,
      chunks,
      chunkRows: Math.ceil(rows / chunks),
      rows,
      partial: partialCount(draft),
      outD: outSize[0],
      outH: outSize[1],
      outW: outSize[2],
      inD: inSize[0],
      inH: inSize[1],
      inW: inSize[2],
      inVoxels: volumeOf(inSize),
    },
    groups: Math.ceil(source.spec.shape[1] * outQuads * chunks / WORKGROUP),
    body: lines.join("\n"),
  });
}

function usedColumn(column: number, stride: number, kernelWidth: number): boolean {
  for (let t = 0; t < STEP; t++) {
    if (column >= t * stride && column < t * stride + kernelWidth) return true;
  }
  return false;
}

/** Stage 2: adds the chunks into `dw` and, with bias, `db`. */
export function reduceKernel(
  draft: WeightGradientDraft,
  partial: Binding,
  dw: Binding,
  db: Binding | null,
): KernelSpec {
  const total = partialCount(draft);
  const weights = total - (draft.bias ? draft.dy.spec.shape[1] : 0);
  return kernel({
    label: `${draft.label} reduce`,
    device: draft.device,
    bindings: [partial, dw, ...(db ? [db] : [])],
    params: { total, weights, chunks: chunkCount(draft) },
    groups: Math.ceil(total / WORKGROUP),
    body: `
if (tid >= p.total) { return; }
var sum = 0.0;
for (var k = 0u; k < p.chunks; k++) { sum = sum + partials[k * p.total + tid]; }
${db ? "if (tid < p.weights) { dw[tid] = sum; } else { db[tid - p.weights] = sum; }" : "dw[tid] = sum;"}`,
  });
}
