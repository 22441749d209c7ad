/** Gaussian blur of a few voxels, axis after axis. */
import { type DeviceFacts, elementCount, type KernelSpec, type TensorSpec } from "../../spec.ts";
import { type Binding, scratch } from "../../wgsl/module.ts";
import { CHANNEL_AT } from "../augment/parameters.ts";
import { mirror } from "../augment/reference.ts";
import { MIRRORED } from "../augment/resample.wgsl.ts";
import { shapeText } from "../elementwise.ts";
import {
  CHANNEL_PLACE,
  forEachChannel,
  IMAGE,
  IMAGE_READ,
  intensityOp,
  lowerInPlace,
  PARAMETERS,
} from "./in_place.ts";
import { voxelMap } from "../voxel_map.ts";

/**
 * Voxels on either side that a Gaussian reaches: half of the odd number nearest to `6 sigma + 1/2`, so 1 below sigma 7/12, 2 below 11/12,
 * then 3; never more than the axis has other voxels.
 * Source: batchgeneratorsv2 `blur_dimension`, whose kernels are cut at six deviations from end to end.
 */
export function blurRadius(sigma: number, length: number): number {
  return Math.min(Math.floor(3 * sigma + 0.25), length - 1);
}

/** One axis, 0 = D to 2 = W; the three kernels share one text. */
function axisKernel(
  x: TensorSpec,
  row: number,
  axis: 0 | 1 | 2,
  [from, to]: readonly [Binding, Binding],
  device: DeviceFacts,
): KernelSpec {
  return voxelMap({
    label: `gaussianBlur ${"DHW"[axis]} ${shapeText(x)}`,
    device,
    spec: x,
    bindings: [PARAMETERS, { ...from, name: "source", access: "read" }, { ...to, name: "target_" }],
    params: { row, axis, length: x.shape[2 + axis], inner: elementCount(x.shape.slice(3 + axis)) },
    declarations: MIRRORED,
    before: `
${CHANNEL_PLACE}
if (parameters[at + ${CHANNEL_AT.blurSigma}u] == 0.0) { return; }
let sigma = parameters[at + ${CHANNEL_AT.blurSigma}u + p.axis];
let radius = i32(min(floor(3.0 * sigma + 0.25), f32(p.length - 1u)));
let fall = exp(-1.0 / (sigma * sigma));
let first = exp(-0.5 / (sigma * sigma));
var whole = 1.0;
{ var w = 1.0; var ratio = first; for (var r = 0; r < radius; r++) { w *= ratio; ratio *= fall; whole += 2.0 * w; } }
let centre = 1.0 / whole;`,
    each: `
let o = select(select(vx, vy, p.axis == 1u), vz, p.axis == 0u);
let line = i - o * p.inner;
var sum = source[i];
var w = 1.0;
var ratio = first;
for (var r = 1; r <= radius; r++) {
  w *= ratio;
  ratio *= fall;
  sum += w * (source[line + mirrored(i32(o) - r, p.length) * p.inner] + source[line + mirrored(i32(o) + r, p.length) * p.inner]);
}
target_[i] = centre * sum;`,
  });
}

/**
 * Gaussian blur along D, H and W with a standard deviation for each channel and axis; images go on mirrored about their outermost
 * voxels.
 *
 * Inputs image `[N, C, D, H, W]` and parameters `[N, augmentationLength(C)]` (`blurSigma`), see parameters.ts; output like image.
 * Channels whose first sigma is 0 are left as they are. The kernel reaches {@link blurRadius} voxels. No gradient.
 * @throws {ShapeError} when the tensors do not fit
 * Source: batchgeneratorsv2 `GaussianBlurTransform`.
 */
export const gaussianBlur = intensityOp<Record<string, never>>("gaussianBlur", 3 * 16, {
  lower(request) {
    const { inputs: [x, { shape: [, row] }], device } = request;
    const [a, b] = [0, 1].map((i) => scratch(i, "between", "read_write", "f32"));
    return lowerInPlace(request, "gaussianBlur", [x, x], [
      axisKernel(x, row, 0, [IMAGE_READ, a], device),
      axisKernel(x, row, 1, [a, b], device),
      axisKernel(x, row, 2, [b, IMAGE], device),
    ]);
  },
  reference: ({ inputs: [image, parameters], inputSpecs: [spec] }) => [
    forEachChannel(image, parameters, spec, ({ voxels, channel }) => {
      if (channel[CHANNEL_AT.blurSigma] === 0) return;
      for (const axis of [0, 1, 2]) blurAxis(voxels, spec.shape, axis, channel[CHANNEL_AT.blurSigma + axis]);
    }),
  ],
});

function blurAxis(voxels: Float64Array, shape: readonly number[], axis: number, sigma: number): void {
  const length = shape[2 + axis], inner = elementCount(shape.slice(3 + axis));
  const radius = blurRadius(sigma, length);
  const taps = Array.from({ length: 2 * radius + 1 }, (_, k) => Math.exp(-0.5 * ((k - radius) / sigma) ** 2));
  const whole = taps.reduce((a, b) => a + b), source = voxels.slice();
  for (let i = 0; i < voxels.length; i++) {
    const o = Math.floor(i / inner) % length;
    const at = (k: number) => source[i + (mirror(o + k - radius, length) - o) * inner];
    voxels[i] = taps.reduce((sum, tap, k) => sum + tap / whole * at(k), 0);
  }
}
