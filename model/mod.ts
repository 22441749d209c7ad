/** Networks: configurations, U-Nets and masked auto-encoders as functions from values to values. */
export {
  checkPatch,
  ConfigError,
  downsampling,
  type InitScheme,
  isotropic,
  type IsotropicOptions,
  NETWORK_PRESETS,
} from "./config.ts";
export { type NetworkConfig, networkPreset, NORM_EPS, SLOPE, validateNetwork } from "./config.ts";
export { decode, type Decoded } from "./decoder.ts";
export { encode } from "./encoder.ts";
export {
  basicBlock,
  type BlockOptions,
  conv,
  convNorm,
  type ConvNormOptions,
  type ConvOptions,
  type LayerContext,
  type Skip,
  upsample,
  weightInit,
} from "./layers.ts";
export { type MaeConfig, type MaeKind, type MaskedAutoencoder, maskedAutoencoder } from "./mae.ts";
export {
  type BlockTable,
  declareVisibleBlocks,
  type EncoderLayout,
  Masking,
  sizeOf,
  type VisibleBlocks,
} from "./masking.ts";
export {
  describeOnnxModel,
  type OnnxMasking,
  type OnnxModel,
  onnxModel,
  type OnnxOptions,
  type OnnxPart,
} from "./onnx/mod.ts";
export { initialValues, parameterCount, type RandomStream, torchAlias, torchKeys } from "./parameters.ts";
export { resEncUNet, type UNet } from "./unet.ts";
