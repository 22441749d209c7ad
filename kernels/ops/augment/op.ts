/** Spatial augmentation on the device: an enlarged crop becomes a rotated, scaled, mirrored patch. */
import { type Dims3, elementCount, type OpDef, tensor } from "../../spec.ts";
import { require, sameShape, streamCost, volume } from "../check.ts";
import { resampleVolume } from "./reference.ts";
import { resampleKernel } from "./resample.wgsl.ts";
import { splineFilterKernels } from "./spline_filter.wgsl.ts";
import { TRANSFORM_LENGTH } from "./transform.ts";

/** Patch size, and interpolation: 3 cubic B-spline with prefilter, 1 trilinear. */
export interface AffineResampleAttrs {
  readonly size: Dims3;
  readonly order: 1 | 3;
}

/**
 * Resamples the centre of a crop through an affine map, then mirrors; 0 outside the crop.
 *
 * Patch index o goes to crop position `q = M (o - (F-1)/2) + P/2 - 1/2`; values at q equal those of
 * `scipy.ndimage.map_coordinates(order, mode="constant", cval=0, prefilter=True)`: exactly 0 unless `0 <= q <= P-1` in every
 * axis, spline coefficients under mirror boundaries inside (checked against SciPy 1.10). A sample whose interpolation flag is 0
 * is the centre crop from `floor((P-F)/2)`, copied bit for bit. The prefilter is always planned (a scratch tensor like x and three
 * dispatches), but skips the samples that are only cropped.
 *
 * Inputs x `[N, C, P, P, P]` (any three sizes) and transform `[N, 16]`, see transform.ts; output `[N, C, ...size]`. No gradient:
 * augmentation precedes the network.
 * @throws {ShapeError} when the patch is larger than the crop, or transform is not `[N, 16]`
 * Source: batchgenerators `augment_spatial`; cubic B-spline: Unser 1999 (doi:10.1109/79.799930).
 */
export const affineResample: OpDef<AffineResampleAttrs> = {
  name: "affineResample",
  infer([x, transform], { size, order }) {
    const { n, c, size: crop } = volume("affineResample", "x", x);
    require(order === 1 || order === 3, "affineResample", `order is ${order}, wanted 1 or 3`, order);
    require(
      sameShape(transform.shape, [n, TRANSFORM_LENGTH]),
      "affineResample",
      `transform has shape [${transform.shape}], wanted [${n}, ${TRANSFORM_LENGTH}]`,
      transform.shape,
    );
    require(
      size.every((extent, axis) => extent >= 1 && extent <= crop[axis]),
      "affineResample",
      `patch ${size.join("x")} is larger than the crop ${crop.join("x")}: read a larger crop`,
      crop,
      size,
    );
    return [tensor([n, c, ...size])];
  },
  cost([x, transform], outputs, { order }) {
    const filter = order === 3 ? 3 * 6 * elementCount(x.shape) : 0;
    return streamCost(
      [x, transform],
      outputs,
      filter + (order === 3 ? 200 : 40) * elementCount(outputs[0].shape),
    );
  },
  lower({ inputs: [x], outputs: [y], attrs: { order }, device }) {
    const cubic = order === 3;
    return {
      variant: cubic ? "cubic" : "linear",
      scratch: cubic ? [x] : [],
      kernels: [...(cubic ? splineFilterKernels(x, device) : []), resampleKernel(x, y, cubic, device)],
    };
  },
  reference({ inputs: [x, transform], inputSpecs: [spec], attrs: { size, order } }) {
    const { n, c, size: crop, voxels } = volume("affineResample", "x", spec);
    const voxelsOut = elementCount(size);
    const y = new Float64Array(n * c * voxelsOut);
    for (let image = 0; image < n * c; image++) {
      const row = Math.floor(image / c) * TRANSFORM_LENGTH;
      const part = resampleVolume(
        x.subarray(image * voxels, (image + 1) * voxels),
        crop,
        size,
        transform.subarray(row, row + TRANSFORM_LENGTH),
        order,
      );
      y.set(part, image * voxelsOut);
    }
    return [y];
  },
};
