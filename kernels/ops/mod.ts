/** All operations. */
export { accumulate } from "./accumulate/op.ts";
export { add } from "./add/op.ts";
export { assign } from "./assign/op.ts";
export { finishPatch, type FinishPatchAttrs } from "./augment/finish_patch.ts";
export { affineResample, type AffineResampleAttrs } from "./augment/op.ts";
export {
  augmentationLength,
  CHANNEL_AT,
  CHANNEL_LENGTH,
  SAMPLE_AT,
  SAMPLE_LENGTH,
} from "./augment/parameters.ts";
export { sampleLabels, samplePatch, type SamplePatchAttrs } from "./augment/sample_patch.ts";
export { TRANSFORM_AT, TRANSFORM_LENGTH } from "./augment/transform.ts";
export {
  appendTokenChannel,
  appendTokenChannelGradient,
  type TokenChannelAttrs,
} from "./blocks/append_token_channel.ts";
export { type BlockMaskAttrs, hiddenMask, keptMask } from "./blocks/masks.ts";
export { gatherBlocks, scatterBlocks, type ScatterBlocksAttrs } from "./blocks/op.ts";
export { type BlockGrid, blocksSpec, blockTable, blockTableRow } from "./blocks/table.ts";
export { cast } from "./cast/op.ts";
export { conv3d, type Conv3dAttrs } from "./conv3d/op.ts";
export {
  conv3dInputGradient,
  conv3dWeightGradient,
  type InputGradientAttrs,
  type WeightGradientAttrs,
} from "./conv3d/gradients.ts";
export {
  channelSum,
  convTranspose3d,
  type ConvTranspose3dAttrs,
  convTranspose3dInputGradient,
  convTranspose3dWeightGradient,
} from "./conv_transpose3d/op.ts";
export { diceBce, diceBceGradient } from "./dice_ce/bce.ts";
export { diceCe, type DiceCeAttrs, diceCeGradient } from "./dice_ce/op.ts";
export type { OverlapAttrs } from "./dice_ce/overlap.ts";
export { fill, type FillAttrs } from "./fill/op.ts";
export { instanceNormGradient } from "./instance_norm/gradient.ts";
export { type InstanceNormAttrs } from "./instance_norm/inputs.ts";
export { instanceNorm } from "./instance_norm/op.ts";
export { brightnessContrast } from "./intensity/brightness_contrast.ts";
export { gammaCorrection, type GammaCorrectionAttrs } from "./intensity/gamma_correction.ts";
export { gaussianBlur } from "./intensity/gaussian_blur.ts";
export { gaussianNoise } from "./intensity/gaussian_noise.ts";
export { lowResolution } from "./intensity/low_resolution.ts";
export { leakyRelu, type LeakyReluAttrs, leakyReluGradient } from "./leaky_relu/op.ts";
export {
  reconstructionError,
  type ReconstructionErrorAttrs,
  reconstructionErrorGradient,
} from "./loss/op.ts";
export { applyMask, expandMask, tokenFill, tokenGradient } from "./mask/op.ts";
export { type MetricsAttrs, writeMetrics } from "./metrics/op.ts";
export { type ClipAttrs, clipScale, sumSquares } from "./optimizer/clip.ts";
export { type LossScaleAttrs, updateLossScale } from "./optimizer/loss_scale.ts";
export { type AdamwAttrs, adamwUpdate, type SgdAttrs, sgdUpdate, STEP_SCALARS } from "./optimizer/op.ts";
export { maxPool3d, maxPool3dGradient } from "./pool/max_pool.ts";
export { avgPool3d, avgPool3dGradient } from "./pool/op.ts";
export { type PoolAttrs, type PoolGradientAttrs } from "./pool/windows.ts";
export { clampSlices, type ClampSlicesAttrs, resizeAxis, type ResizeAxisAttrs } from "./resize/op.ts";
export { type AxisTable, axisTable, type ResizeOrder } from "./resize/taps.ts";
export { confusionCounts, type ConfusionCountsAttrs } from "./segmentation/confusion_counts.ts";
export { downsampleLabels } from "./segmentation/downsample_labels.ts";
export { regionTargets, type RegionTargetsAttrs } from "./segmentation/region_targets.ts";
export { msSsimLoss, ssimLoss } from "./ssim/loss.ts";
export { addWindow, WINDOW_PLACE } from "./window/add_window.ts";
export { labelVoxels, type LabelVoxelsAttrs, labelWords } from "./window/label_voxels.ts";
export { mirror } from "./window/mirror.ts";
export { sampleLogits, type SampleLogitsAttrs } from "./window/sample_logits.ts";
export type { SamplingAttrs } from "./window/sampling.ts";
