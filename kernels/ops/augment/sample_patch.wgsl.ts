// A patch from the centre of a crop, through an affine map where the sample's flag says so, else copied.
//   q = M (o - (F-1)/2) + P/2 - 1/2,  o the patch index;  image y[o] = sum of the eight neighbours by trilinear weight, 0 outside
//   label y[o] = the largest label whose neighbours weigh at least 1/2; none: -1 where a neighbour is outside, else 0
//   copy  y[o] = x[o + floor((P-F)/2)]
// Layout   x: [N, C, P..]; y: [N, C, F..]; parameters: [N, row], see parameters.ts
// Work     voxel_map.ts, one kernel for the samples that are copied (1 read a voxel), one for the others (8): software devices run both
//          sides of a branch, but end workgroups early
// Bindings 3 of 8      Siblings resample.wgsl.ts (another border)      Reference sample_reference.ts
import type { DeviceFacts, KernelSpec, TensorSpec } from "../../spec.ts";
import { input, output } from "../../wgsl/module.ts";
import { shapeText } from "../elementwise.ts";
import { voxelMap } from "../voxel_map.ts";
import { SAMPLE_AT } from "./parameters.ts";

const IMAGE = `
fn sampled(start: u32, first: vec3i, t: vec3f) -> f32 {
  var value = 0.0;
  for (var k = 0; k < 8; k++) {
    let bit = vec3i(k >> 2u, (k >> 1u) & 1, k & 1);
    let at = first + bit;
    if (!inside(at)) { continue; }
    value += weight(bit, t) * x[place(start, at)];
  }
  return value;
}`;

const LABEL = `
fn sampled(start: u32, first: vec3i, t: vec3f) -> f32 {
  var labels: array<f32, 8>;
  var weights: array<f32, 8>;
  var best = 0.0;
  for (var k = 0; k < 8; k++) {
    let bit = vec3i(k >> 2u, (k >> 1u) & 1, k & 1);
    let at = first + bit;
    weights[k] = weight(bit, t);
    if (inside(at)) { labels[k] = x[place(start, at)]; continue; }
    if (weights[k] > 0.0) { best = -1.0; }
    weights[k] = 0.0;
  }
  var found = false;
  for (var k = 0; k < 8; k++) {
    var share = 0.0;
    for (var l = 0; l < 8; l++) { share += select(0.0, weights[l], labels[l] == labels[k]); }
    if (share >= 0.5 && (!found || labels[k] > best)) { best = labels[k]; found = true; }
  }
  return best;
}`;

const SHARED = `
fn centre(extent: u32) -> f32 { return 0.5 * f32(extent) - 0.5; }
fn inside(at: vec3i) -> bool {
  return all(at >= vec3i(0)) && all(at < vec3i(i32(p.pd), i32(p.ph), i32(p.pw)));
}
fn weight(bit: vec3i, t: vec3f) -> f32 {
  let w = select(1.0 - t, t, bit == vec3i(1));
  return w.x * w.y * w.z;
}
fn place(start: u32, at: vec3i) -> u32 { return ((start + u32(at.x)) * p.ph + u32(at.y)) * p.pw + u32(at.z); }`;

/** Texts and grids for an image or a label map; the first text is the same for both. */
export function samplePatchKernels(
  x: TensorSpec,
  parameters: TensorSpec,
  y: TensorSpec,
  kind: "image" | "label",
  device: DeviceFacts,
): readonly KernelSpec[] {
  const [, , pd, ph, pw] = x.shape;
  const [, , fd, fh, fw] = y.shape;
  const common = {
    device,
    spec: y,
    bindings: [input(0, "x"), input(1, "parameters"), output(0, "y")],
    params: { row: parameters.shape[1], pd, ph, pw, fd },
  };
  const interpolates = `parameters[n * p.row + ${SAMPLE_AT.interpolate}u] != 0.0`;
  return [
    voxelMap({
      ...common,
      label: `cut ${kind} ${shapeText(x)} to ${fd}x${fh}x${fw}`,
      before: `
if (${interpolates}) { return; }
let corner = vec3u(p.pd - p.fd, p.ph - p.h, p.pw - p.w) / 2u;`,
      each: `y[i] = x[((nc * p.pd + vz + corner.x) * p.ph + vy + corner.y) * p.pw + vx + corner.z];`,
    }),
    voxelMap({
      ...common,
      label: `sample ${kind} ${shapeText(x)} to ${fd}x${fh}x${fw}`,
      declarations: SHARED + (kind === "image" ? IMAGE : LABEL),
      before: `
if (!(${interpolates})) { return; }
let m = n * p.row;
let middle = vec3f(centre(p.fd), centre(p.h), centre(p.w));
let origin = vec3f(centre(p.pd), centre(p.ph), centre(p.pw));
let alongD = vec3f(parameters[m], parameters[m + 3u], parameters[m + 6u]);
let alongH = vec3f(parameters[m + 1u], parameters[m + 4u], parameters[m + 7u]);
let alongW = vec3f(parameters[m + 2u], parameters[m + 5u], parameters[m + 8u]);`,
      each: `
let r = vec3f(f32(vz), f32(vy), f32(vx)) - middle;
let q = alongD * r.x + alongH * r.y + alongW * r.z + origin;
let low = floor(q);
y[i] = sampled(nc * p.pd, vec3i(low), q - low);`,
    }),
  ];
}
