// Minimum and maximum of each sample with their multiplicities, the rescaled sample, and the gradient.
//   forward   y = (x - min) / (max - min), 0 for a constant sample
//   backward  dx = dy/r + [x = min] (B - A)/(r ties) - [x = max] B/(r ties),  A = sum dy, B = sum dy*y, r = max - min
// Layout   x, y: [N, length]; range: [N] vec4 = minimum, maximum, ties of minimum, ties of maximum
// Work     chunks.wgsl.ts; a NaN anywhere stays in y, so that the loss shows it
// Bindings 4 of 8      Reference min_max_rescale.ts
import type { DeviceFacts, KernelSpec, TensorSpec } from "../../spec.ts";
import { input, kernel, output, scratch, WORKGROUP } from "../../wgsl/module.ts";
import {
  chunkGrid,
  chunkPartials,
  chunksOf,
  chunkSumKernel,
  overChunk,
  type Rows,
  rowSumKernel,
} from "./chunks.wgsl.ts";

/** A range of intensities below this is a constant image: rescaled to 0, without gradient. */
export const SMALLEST_RANGE = 1e-8;

const LARGEST = "3.4028234e38";

/** Merging of ranges over a workgroup; the neutral element has no ties. */
const RANGE = `
var<workgroup> ranges: array<vec4f, ${WORKGROUP}>;
fn merged(a: vec4f, b: vec4f) -> vec4f {
  let low = min(a.x, b.x);
  let high = max(a.y, b.y);
  return vec4f(low, high,
    select(0.0, a.z, a.x == low) + select(0.0, b.z, b.x == low),
    select(0.0, a.w, a.y == high) + select(0.0, b.w, b.y == high));
}
fn mergedAll(lid: u32, mine: vec4f) -> vec4f {
  ranges[lid] = mine;
  workgroupBarrier();
  for (var half = ${WORKGROUP / 2}u; half > 0u; half = half / 2u) {
    if (lid < half) { ranges[lid] = merged(ranges[lid], ranges[lid + half]); }
    workgroupBarrier();
  }
  return ranges[0];
}`;
const NEUTRAL = `vec4f(${LARGEST}, -${LARGEST}, 0.0, 0.0)`;

/** Scratch of both directions: one vec4 a chunk. */
export function rescaleScratch(rows: Rows): readonly TensorSpec[] {
  return [chunkPartials(rows)];
}

/** Forward: ranges of chunks, of samples, then the rescaling. */
export function rescaleKernels(rows: Rows, device: DeviceFacts): readonly KernelSpec[] {
  const { params, groups } = chunkGrid(rows);
  const shape = `${rows.rows}x${rows.length}`;
  return [
    kernel({
      label: `range of chunks ${shape}`,
      device,
      bindings: [input(0, "x"), scratch(0, "partials", "read_write", "vec4f")],
      params,
      groups,
      declarations: RANGE,
      body: `
var mine = ${NEUTRAL};
${overChunk(`let v = x[at]; mine = merged(mine, vec4f(v, v, 1.0, 1.0));`)}
let whole = mergedAll(lid, mine);
if (lid == 0u) { partials[group] = whole; }`,
    }),
    kernel({
      label: `range of samples ${shape}`,
      device,
      bindings: [scratch(0, "partials", "read", "vec4f"), output(1, "range", "vec4f")],
      params: { chunks: chunksOf(rows) },
      groups: rows.rows,
      declarations: RANGE,
      body: `
var mine = ${NEUTRAL};
for (var i = lid; i < p.chunks; i += ${WORKGROUP}u) { mine = merged(mine, partials[group * p.chunks + i]); }
let whole = mergedAll(lid, mine);
if (lid == 0u) { range[group] = whole; }`,
    }),
    kernel({
      label: `minMaxRescale ${shape}`,
      device,
      bindings: [input(0, "x"), { ...output(1, "range", "vec4f"), access: "read" }, output(0, "y")],
      params,
      groups,
      body: overChunk(
        `y[at] = (x[at] - low) * scale;`,
        `
let low = range[row].x;
let r = range[row].y - low;
let scale = select(0.0, 1.0 / r, r > ${SMALLEST_RANGE});`,
      ),
    }),
  ];
}

/** Backward: sums of chunks, of samples, then the gradient. Scratch 0: chunks, 1: samples. */
export function rescaleGradientKernels(rows: Rows, device: DeviceFacts): readonly KernelSpec[] {
  const { params, groups } = chunkGrid(rows);
  const shape = `${rows.rows}x${rows.length}`;
  const inverse = `
let low = range[row].x;
let high = range[row].y;
let scale = select(0.0, 1.0 / (high - low), high - low > ${SMALLEST_RANGE});`;
  return [
    chunkSumKernel({
      label: `minMaxRescale.dx sums ${shape}`,
      device,
      rows,
      bindings: [input(0, "x"), input(1, "range", "vec4f"), input(2, "dy")],
      before: `
let low = range[row].x;
let r = range[row].y - low;
let scale = select(0.0, 1.0 / r, r > ${SMALLEST_RANGE});`,
      add: `sum += vec4f(dy[at], dy[at] * (x[at] - low) * scale, 0.0, 0.0);`,
      partials: 0,
    }),
    rowSumKernel({
      label: `minMaxRescale.dx samples ${shape}`,
      device,
      rows,
      partials: 0,
      target: scratch(1, "sums", "read_write", "vec4f"),
      store: `sums[group] = whole;`,
    }),
    kernel({
      label: `minMaxRescale.dx ${shape}`,
      device,
      bindings: [
        input(0, "x"),
        input(1, "range", "vec4f"),
        input(2, "dy"),
        scratch(1, "sums", "read", "vec4f"),
        output(0, "dx"),
      ],
      params,
      groups,
      body: overChunk(
        `
let v = x[at];
dx[at] = scale * dy[at] + select(0.0, atLow, v == low) + select(0.0, atHigh, v == high);`,
        `${inverse}
let atLow = scale * (sums[row].y - sums[row].x) / range[row].z;
let atHigh = -scale * sums[row].y / range[row].w;`,
      ),
    }),
  ];
}
