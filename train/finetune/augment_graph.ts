/** The part of a training graph that makes patches of crops. */
import type { Graph, Value } from "../../kernels/graph/graph.ts";
import { finishPatch } from "../../kernels/ops/augment/finish_patch.ts";
import { augmentationLength } from "../../kernels/ops/augment/parameters.ts";
import { sampleLabels, samplePatch } from "../../kernels/ops/augment/sample_patch.ts";
import { fill } from "../../kernels/ops/fill/op.ts";
import { brightnessContrast } from "../../kernels/ops/intensity/brightness_contrast.ts";
import { gammaCorrection } from "../../kernels/ops/intensity/gamma_correction.ts";
import { gaussianBlur } from "../../kernels/ops/intensity/gaussian_blur.ts";
import { gaussianNoise } from "../../kernels/ops/intensity/gaussian_noise.ts";
import { lowResolution } from "../../kernels/ops/intensity/low_resolution.ts";
import type { Dims3 } from "../../kernels/spec.ts";
import type { FinetuneAugmentation } from "./augmentation_config.ts";

/** What {@linkcode augmentPatch} works on, f32. */
export interface PatchSource {
  /** `[N, C, ...crop]`, 0 outside the volume */
  readonly crop: Value;
  /** `[N, 1, ...crop]`, -1 outside the non-zero mask and the volume */
  readonly label: Value;
  /** `[N, augmentationLength(C)]`, a row of `sampleFinetuneAugmentation` a sample */
  readonly parameters: Value;
}

/** What becomes of them. */
export interface PatchOptions {
  /** `[D, H, W]` that the network sees */
  readonly patch: Dims3;
  /** for each channel whether it is 0 where the label is negative: the plan's `use_mask_for_norm` */
  readonly maskImage: readonly boolean[];
  /** what the parameters are drawn from; transforms that it never applies are left out of the graph. All are planned without it */
  readonly config?: FinetuneAugmentation;
}

/** A patch for the network. */
export interface Patch {
  /** `[N, C, ...patch]` */
  readonly image: Value;
  /** `[N, 1, ...patch]`, not negative */
  readonly label: Value;
}

/**
 * Adds the augmentation of a training batch to a graph: rotation and scaling, Gaussian noise, Gaussian blur, brightness, contrast, low
 * resolution, inverted gamma, gamma, mirroring, masking of the image, labels -1 -> 0, in this order.
 *
 * Which of them change a sample, and how, is in the parameters; transforms that are switched off there change no bit and end at once.
 *
 * @throws {ShapeError} when the tensors do not fit together or the patch is larger than the crop
 * Source: nnU-Net v2 `nnUNetTrainer.get_training_transforms`.
 */
export function augmentPatch(graph: Graph, source: PatchSource, options: PatchOptions): Patch {
  const { crop, label, parameters } = source;
  const { patch, maskImage, config } = options;
  const possible = (transform: { readonly probability: number } | undefined) =>
    config === undefined || (config.enabled && transform!.probability > 0);
  return graph.within("augment", () => {
    const [labels] = graph.apply(sampleLabels, [label, parameters], { size: patch });
    let [image] = graph.apply(samplePatch, [crop, parameters], { size: patch });
    if (possible(config?.noise)) [image] = graph.apply(gaussianNoise, [image, parameters], {});
    if (possible(config?.blur)) [image] = graph.apply(gaussianBlur, [image, parameters], {});
    if (possible(config?.brightness) || possible(config?.contrast)) {
      [image] = graph.apply(brightnessContrast, [image, parameters], {});
    }
    if (possible(config?.lowResolution)) [image] = graph.apply(lowResolution, [image, parameters], {});
    if (possible(config?.gammaInverted)) {
      [image] = graph.apply(gammaCorrection, [image, parameters], { inverted: true });
    }
    if (possible(config?.gamma)) {
      [image] = graph.apply(gammaCorrection, [image, parameters], { inverted: false });
    }
    const [finished, finishedLabel] = graph.apply(finishPatch, [image, labels, parameters], { maskImage });
    return { image: finished, label: finishedLabel };
  });
}

/**
 * Adds what validation does to a patch: masking of the image and labels -1 -> 0, nothing else.
 *
 * @param source image `[N, C, ...patch]` and label `[N, 1, ...patch]` as the loader gives them
 * @param options for each channel whether it is 0 where the label is negative
 * @throws {ShapeError} when the tensors do not fit together
 */
export function plainPatch(
  graph: Graph,
  source: Pick<PatchSource, "crop" | "label">,
  { maskImage }: Pick<PatchOptions, "maskImage">,
): Patch {
  const { crop, label } = source;
  const [n, channels] = crop.spec.shape;
  return graph.within("augment", () => {
    const [nothing] = graph.apply(fill, [], { shape: [n, augmentationLength(channels)], value: 0 });
    const [image, labels] = graph.apply(finishPatch, [crop, label, nothing], { maskImage });
    return { image, label: labels };
  });
}
