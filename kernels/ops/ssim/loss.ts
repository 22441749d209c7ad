/** Structural similarity losses of masked auto-encoders, composed of small operations. */
import type { Graph, Value } from "../../graph/graph.ts";
import type { Dims3 } from "../../spec.ts";
import { require, requireSame, sameShape, volume } from "../check.ts";
import { expandMask } from "../mask/op.ts";
import { gaussianAxis } from "./gaussian_axis.ts";
import { halve } from "./halve.ts";
import { hideVisible } from "./hide_visible.ts";
import { minMaxRescale } from "./min_max_rescale.ts";
import { moments } from "./moments.ts";
import { similarityLoss } from "./score.ts";
import { type SimilarityAttrs, similarityMean } from "./similarity_mean.ts";

const SIGMA = 1.5;
const SSIM_WINDOW = 11;
const MS_SSIM_WINDOW = 7;
/** Exponents of the five scales, finest first. Source: Wang et al. 2003, section 3.2. */
const SCALE_WEIGHTS: readonly number[] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/**
 * `1 - SSIM`, both images rescaled to [0, 1] by their own minimum and maximum, window 11, sigma 1.5, mean over samples.
 *
 * An axis shorter than 11 voxels is not smoothed. Negative similarities of a channel count as 0 (no gradient then).
 *
 * @param prediction `[N, C, D, H, W]`
 * @param target `[N, C, D, H, W]`
 * @param mask `[N, 1, g0, g1, g2]`, 1 = visible: visible voxels become 0 in both images after the rescaling
 * @returns `[1]`
 * @throws {ShapeError} when shapes differ, the mask grid does not tile the volume, or every axis is shorter than 11 voxels
 * Source: Wang et al. 2004 (doi:10.1109/TIP.2003.819861); rescaling and masking as nnssl `mse_loss.py`.
 */
export function ssimLoss(graph: Graph, prediction: Value, target: Value, mask?: Value): Value {
  return graph.within("ssim", () => {
    const images = prepare(graph, "ssimLoss", prediction, target, mask);
    const { size } = volume("ssimLoss", "prediction", prediction.spec);
    require(
      size.some((extent) => extent >= SSIM_WINDOW),
      "ssimLoss",
      `volume ${
        size.join("x")
      } is smaller than the window of ${SSIM_WINDOW} in every axis: use a larger patch or the loss mse`,
      size,
    );
    const value = similarity(graph, images, SSIM_WINDOW, "ssim");
    return graph.apply(similarityLoss, [value], { weights: [1] })[0];
  });
}

/**
 * `1 - MS-SSIM`: five scales, window 7, sigma 1.5, contrast at scales 1 to 4 and SSIM at scale 5, product of powers, mean
 * over samples and channels. Rescaling and mask as {@link ssimLoss}.
 *
 * @param prediction `[N, C, D, H, W]`
 * @param target `[N, C, D, H, W]`
 * @param mask `[N, 1, g0, g1, g2]`, 1 = visible
 * @returns `[1]`
 * @throws {ShapeError} when shapes differ, the mask grid does not tile the volume, or height or width is below 97 voxels: then
 * the coarsest scale is smaller than the window, as pytorch-msssim demands
 * Source: Wang et al. 2003 (doi:10.1109/ACSSC.2003.1292216).
 */
export function msSsimLoss(graph: Graph, prediction: Value, target: Value, mask?: Value): Value {
  return graph.within("ms_ssim", () => {
    let images = prepare(graph, "msSsimLoss", prediction, target, mask);
    const { size } = volume("msSsimLoss", "prediction", prediction.spec);
    const smallest = (MS_SSIM_WINDOW - 1) * 2 ** (SCALE_WEIGHTS.length - 1) + 1;
    require(
      Math.min(size[1], size[2]) >= smallest,
      "msSsimLoss",
      `height and width are ${size[1]}x${
        size[2]
      }, wanted at least ${smallest}: use a larger patch or the loss ssim`,
      size,
      smallest,
    );
    const values = SCALE_WEIGHTS.map((_, scale) => {
      const last = scale === SCALE_WEIGHTS.length - 1;
      if (scale > 0) images = images.map((image) => graph.apply(halve, [image], {})[0]);
      return similarity(graph, images, MS_SSIM_WINDOW, last ? "ssim" : "contrast");
    });
    return graph.apply(similarityLoss, values, { weights: SCALE_WEIGHTS })[0];
  });
}

/** Rescales both images and hides their visible voxels. */
function prepare(graph: Graph, op: string, prediction: Value, target: Value, mask?: Value): readonly Value[] {
  requireSame(op, prediction.spec, target.spec, "prediction and target");
  const images = [prediction, target].map((image) => graph.apply(minMaxRescale, [image], {})[0]);
  if (!mask) return images;
  const size = prediction.spec.shape.slice(2) as unknown as Dims3;
  const voxels = sameShape(mask.spec.shape.slice(2), size)
    ? mask
    : graph.apply(expandMask, [mask], { size })[0];
  return images.map((image) => graph.apply(hideVisible, [image, voxels], {})[0]);
}

/** Mean similarity of each sample and channel, `[N, C]`; axes shorter than the window stay unsmoothed. */
function similarity(
  graph: Graph,
  images: readonly Value[],
  window: number,
  kind: SimilarityAttrs["kind"],
): Value {
  let smoothed = graph.apply(moments, images, {})[0];
  for (const axis of [0, 1, 2] as const) {
    if (smoothed.spec.shape[axis + 2] < window) continue;
    smoothed = graph.apply(gaussianAxis, [smoothed], { axis, window, sigma: SIGMA })[0];
  }
  return graph.apply(similarityMean, [smoothed], { kind })[0];
}
