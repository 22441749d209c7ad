// Affine resampling of the centre of a crop, or its plain copy.
//   q = M (o - (F-1)/2) + P/2 - 1/2,  o the patch index (flipped where mirrored);  y[o] = spline or trilinear at q, 0 unless 0 <= q <= P-1
//   copy  y[o] = x[o + floor((P-F)/2)]
// Layout   x, coefficients: [N, C, P..]; y: [N, C, F..]; transform: [N, 16], see transform.ts
// Work     1 thread = 1 voxel of the patch: 64 (cubic) or 8 (linear) reads when it interpolates, 1 when it copies
// Bindings 4 of 8 (cubic), 3 of 8 (linear)      Siblings spline_filter.wgsl.ts      Reference reference.ts
import type { DeviceFacts, KernelSpec, TensorSpec } from "../../spec.ts";
import { elementCount } from "../../spec.ts";
import { input, kernel, output, scratch, WORKGROUP } from "../../wgsl/module.ts";
import { shapeText } from "../elementwise.ts";
import { TRANSFORM_AT, TRANSFORM_LENGTH } from "./transform.ts";

/** `fn mirrored(i, extent)`: an index folded about the first and the last voxel, once. */
export const MIRRORED = `
fn mirrored(i: i32, extent: u32) -> u32 {
  let last = i32(extent) - 1;
  let folded = last - abs(last - abs(i));
  return u32(min(abs(folded), last));
}`;

const SHARED = `
fn flipped(o: u32, extent: u32, flag: f32) -> u32 { return select(o, extent - 1u - o, flag > 0.5); }
fn centre(extent: u32) -> f32 { return 0.5 * f32(extent) - 0.5; }`;

const CUBIC = `${MIRRORED}
fn splineWeights(t: f32) -> array<f32, 4> {
  let u = 1.0 - t;
  return array<f32, 4>(u * u * u / 6.0, 2.0 / 3.0 - t * t + 0.5 * t * t * t, 2.0 / 3.0 - u * u + 0.5 * u * u * u, t * t * t / 6.0);
}
fn interpolated(start: u32, q: vec3f) -> f32 {
  let low = floor(q);
  var wz = splineWeights(q.x - low.x);
  var wy = splineWeights(q.y - low.y);
  var wx = splineWeights(q.z - low.z);
  let first = vec3i(low) - 1;
  var columns: array<u32, 4>;
  for (var l = 0; l < 4; l++) { columns[l] = mirrored(first.z + l, p.pw); }
  var value = 0.0;
  for (var j = 0; j < 4; j++) {
    let plane = (start + mirrored(first.x + j, p.pd)) * p.ph;
    var inPlane = 0.0;
    for (var k = 0; k < 4; k++) {
      let line = (plane + mirrored(first.y + k, p.ph)) * p.pw;
      inPlane += wy[k] * (wx[0] * c[line + columns[0]] + wx[1] * c[line + columns[1]] +
        wx[2] * c[line + columns[2]] + wx[3] * c[line + columns[3]]);
    }
    value += wz[j] * inPlane;
  }
  return value;
}`;

const LINEAR = `
fn interpolated(start: u32, q: vec3f) -> f32 {
  let low = floor(q);
  let t = q - low;
  let first = vec3u(low);
  let last = vec3u(p.pd, p.ph, p.pw) - 1u;
  let next = min(first + 1u, last);
  let plane0 = (start + first.x) * p.ph;
  let plane1 = (start + next.x) * p.ph;
  let a = mix(x[(plane0 + first.y) * p.pw + first.z], x[(plane0 + first.y) * p.pw + next.z], t.z);
  let b = mix(x[(plane0 + next.y) * p.pw + first.z], x[(plane0 + next.y) * p.pw + next.z], t.z);
  let d = mix(x[(plane1 + first.y) * p.pw + first.z], x[(plane1 + first.y) * p.pw + next.z], t.z);
  let e = mix(x[(plane1 + next.y) * p.pw + first.z], x[(plane1 + next.y) * p.pw + next.z], t.z);
  return mix(mix(a, b, t.y), mix(d, e, t.y), t.x);
}`;

/** Text and grid; `cubic` reads coefficients from scratch 0. */
export function resampleKernel(
  x: TensorSpec,
  y: TensorSpec,
  cubic: boolean,
  device: DeviceFacts,
): KernelSpec {
  const [, channels, pd, ph, pw] = x.shape;
  const [, , fd, fh, fw] = y.shape;
  const total = elementCount(y.shape);
  const at = TRANSFORM_AT;
  return kernel({
    label: `affineResample ${cubic ? "cubic" : "linear"} ${shapeText(x)} to ${fd}x${fh}x${fw}`,
    device,
    bindings: [
      input(0, "x"),
      input(1, "transform"),
      ...(cubic ? [scratch(0, "c", "read")] : []),
      output(0, "y"),
    ],
    params: { total, channels, pd, ph, pw, fd, fh, fw },
    groups: Math.ceil(total / WORKGROUP),
    declarations: SHARED + (cubic ? CUBIC : LINEAR),
    body: `
if (tid >= p.total) { return; }
let line = tid / p.fw;
let slice = line / p.fh;
let image = slice / p.fd;
let t = image / p.channels * ${TRANSFORM_LENGTH}u;
let oz = flipped(slice - image * p.fd, p.fd, transform[t + ${at.mirror}u]);
let oy = flipped(line - slice * p.fh, p.fh, transform[t + ${at.mirror + 1}u]);
let ox = flipped(tid - line * p.fw, p.fw, transform[t + ${at.mirror + 2}u]);
if (transform[t + ${at.interpolate}u] == 0.0) {
  let sz = image * p.pd + oz + (p.pd - p.fd) / 2u;
  let sy = sz * p.ph + oy + (p.ph - p.fh) / 2u;
  y[tid] = x[sy * p.pw + ox + (p.pw - p.fw) / 2u];
  return;
}
let o = vec3f(f32(oz) - centre(p.fd), f32(oy) - centre(p.fh), f32(ox) - centre(p.fw));
let q = vec3f(
  transform[t] * o.x + transform[t + 1u] * o.y + transform[t + 2u] * o.z + centre(p.pd),
  transform[t + 3u] * o.x + transform[t + 4u] * o.y + transform[t + 5u] * o.z + centre(p.ph),
  transform[t + 6u] * o.x + transform[t + 7u] * o.y + transform[t + 8u] * o.z + centre(p.pw));
let most = vec3f(f32(p.pd), f32(p.ph), f32(p.pw)) - 1.0;
if (all(q >= vec3f(0.0)) && all(q <= most)) { y[tid] = interpolated(image * p.pd, q); } else { y[tid] = 0.0; }`,
  });
}
