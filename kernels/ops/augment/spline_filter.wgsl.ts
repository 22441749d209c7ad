// Cubic B-spline coefficients along one axis: the interpolant through the coefficients meets the samples.
//   c+[0] = 6 sum_k z^k x[mirror(k)],  c+[i] = 6 x[i] + z c+[i-1];  c[n-1] = z/(z^2-1) (z c+[n-2] + c+[n-1]),
//   c[i] = z (c[i+1] - c+[i]);  z = sqrt(3) - 2; samples are mirrored about the first and the last one
// Layout   [N, C, D, H, W]; the line's step in memory is `inner`
// Work     1 thread = 1 line; lines of samples that are only cropped return at once
// Limits   the sum of c+[0] stops at k = 24, where z^k < 2e-14
// Bindings 3 of 8 (W axis, from x), 2 of 8 (H and D, in place)      Reference reference.ts
// Source   Unser 1999 (doi:10.1109/79.799930), box 2
import type { DeviceFacts, KernelSpec, TensorSpec } from "../../spec.ts";
import { elementCount } from "../../spec.ts";
import { input, kernel, scratch, WORKGROUP } from "../../wgsl/module.ts";
import { shapeText } from "../elementwise.ts";
import { TRANSFORM_AT, TRANSFORM_LENGTH } from "./transform.ts";

/** Pole of the cubic B-spline filter. */
export const POLE = Math.sqrt(3) - 2;

const HORIZON = 24;

/** One pass, axis 0 = D to 2 = W; the pass along W comes first and reads x, the others work in place on scratch 0. */
function axisKernel(x: TensorSpec, axis: 0 | 1 | 2, device: DeviceFacts): KernelSpec {
  const length = x.shape[axis + 2];
  const inner = elementCount(x.shape.slice(axis + 3));
  const lines = elementCount(x.shape) / length;
  const from = axis === 2 ? "x" : "c";
  return kernel({
    label: `splineFilter ${"DHW"[axis]} ${shapeText(x)}`,
    device,
    bindings: [
      ...(axis === 2 ? [input(0, "x")] : []),
      input(1, "transform"),
      scratch(0, "c", "read_write"),
    ],
    params: { lines, length, inner, linesPerSample: lines / x.shape[0] },
    groups: Math.ceil(lines / WORKGROUP),
    body: `
if (tid >= p.lines) { return; }
if (transform[tid / p.linesPerSample * ${TRANSFORM_LENGTH}u + ${TRANSFORM_AT.interpolate}u] == 0.0) { return; }
let outer = tid / p.inner;
let base = outer * p.length * p.inner + (tid - outer * p.inner);
if (p.length == 1u) { c[base] = ${from}[base]; return; }
let last = i32(p.length) - 1;
var sum = 0.0;
var power = 6.0;
var place = 0;
var direction = 1;
for (var k = 0; k < ${HORIZON}; k++) {
  sum += power * ${from}[base + u32(place) * p.inner];
  power *= ${POLE};
  if (place == last) { direction = -1; } else if (place == 0) { direction = 1; }
  place += direction;
}
c[base] = sum;
var at = base;
var before = 0.0;
for (var i = 1u; i < p.length; i++) {
  before = sum;
  at += p.inner;
  sum = 6.0 * ${from}[at] + ${POLE} * sum;
  c[at] = sum;
}
var value = ${POLE / (POLE * POLE - 1)} * (${POLE} * before + sum);
c[at] = value;
for (var i = 1u; i < p.length; i++) {
  at -= p.inner;
  value = ${POLE} * (value - c[at]);
  c[at] = value;
}`,
  });
}

/** The three passes; scratch 0 holds the coefficients, shaped like x. */
export function splineFilterKernels(x: TensorSpec, device: DeviceFacts): readonly KernelSpec[] {
  return ([2, 1, 0] as const).map((axis) => axisKernel(x, axis, device));
}
