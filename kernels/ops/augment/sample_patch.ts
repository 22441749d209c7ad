/** Patches cut, turned and scaled out of larger crops, images and labels alike. */
import { type Dims3, elementCount, type OpDef, tensor, type TensorSpec } from "../../spec.ts";
import { require, requireSingle, streamCost, volume } from "../check.ts";
import { SAMPLE_LENGTH } from "./parameters.ts";
import { interpolateImage, interpolateLabel, sampleReference } from "./sample_reference.ts";
import { samplePatchKernels } from "./sample_patch.wgsl.ts";

/** Size of the patch. */
export interface SamplePatchAttrs {
  readonly size: Dims3;
}

function inferPatch(op: string, [x, parameters]: readonly TensorSpec[], size: Dims3): readonly TensorSpec[] {
  const { n, c, size: crop } = volume(op, "x", x);
  requireSingle(op, "x", x);
  require(
    parameters.shape.length === 2 && parameters.shape[0] === n && parameters.shape[1] >= SAMPLE_LENGTH,
    op,
    `parameters have shape [${parameters.shape}], wanted [${n}, ${SAMPLE_LENGTH} or more]`,
    parameters.shape,
  );
  require(
    size.every((extent, axis) => extent >= 1 && extent <= crop[axis]),
    op,
    `patch ${size.join("x")} is larger than the crop ${crop.join("x")}: read a larger crop`,
    crop,
    size,
  );
  return [tensor([n, c, ...size])];
}

/**
 * The centre of a crop through an affine map, trilinear, with zeros outside the crop.
 *
 * Patch index o (size F) goes to crop position `q = M (o - (F-1)/2) + P/2 - 1/2`. A neighbour outside counts as 0, so that values fade
 * over the last half voxel. A sample whose flag `interpolate` is 0 is the centre crop from `floor((P-F)/2)`, copied bit for bit.
 *
 * Inputs x `[N, C, ...crop]` and parameters `[N, 16 or more]`, see parameters.ts; output `[N, C, ...size]`. No gradient.
 * @throws {ShapeError} when the patch is larger than the crop or the parameters do not fit
 * Source: `torch.nn.functional.grid_sample(mode="bilinear", padding_mode="zeros", align_corners=False)`, as batchgeneratorsv2
 * `SpatialTransform` calls it.
 */
export const samplePatch: OpDef<SamplePatchAttrs> = {
  name: "samplePatch",
  infer: (inputs, { size }) => inferPatch("samplePatch", inputs, size),
  cost: ([, parameters], outputs) =>
    streamCost([...outputs, parameters], outputs, 40 * elementCount(outputs[0].shape)),
  lower: ({ inputs: [x, parameters], outputs: [y], device }) => ({
    variant: "image",
    scratch: [],
    kernels: samplePatchKernels(x, parameters, y, "image", device),
  }),
  reference: ({ inputs: [x, parameters], inputSpecs: [spec], attrs: { size } }) => [
    sampleReference(x, spec, parameters, size, interpolateImage),
  ],
};

/**
 * The labels that belong to {@link samplePatch}: of the labels whose indicator, interpolated like an image, is at least 1/2, the
 * largest. Where none is, -1 at the border of the crop and 0 inside; -1 outside.
 *
 * Inputs label `[N, 1, ...crop]` (f32) and parameters `[N, 16 or more]`; output `[N, 1, ...size]`. No gradient.
 * @throws {ShapeError} as {@link samplePatch}, and when there is more than one channel
 * Source: batchgeneratorsv2 `SpatialTransform`, labels one after another by ascending value.
 */
export const sampleLabels: OpDef<SamplePatchAttrs> = {
  name: "sampleLabels",
  infer(inputs, { size }) {
    const { c } = volume("sampleLabels", "label", inputs[0]);
    require(c === 1, "sampleLabels", `label has ${c} channels, wanted 1`, c, 1);
    return inferPatch("sampleLabels", inputs, size);
  },
  cost: ([, parameters], outputs) =>
    streamCost([...outputs, parameters], outputs, 200 * elementCount(outputs[0].shape)),
  lower: ({ inputs: [x, parameters], outputs: [y], device }) => ({
    variant: "label",
    scratch: [],
    kernels: samplePatchKernels(x, parameters, y, "label", device),
  }),
  reference: ({ inputs: [x, parameters], inputSpecs: [spec], attrs: { size } }) => [
    sampleReference(x, spec, parameters, size, interpolateLabel),
  ],
};
