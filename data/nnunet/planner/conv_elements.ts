import { type Dims3, voxelCount } from "../../volume.ts";

/** A U-Net as far as its cost depends on it. */
export interface CostedNetwork {
  readonly kind: "plain" | "residual";
  readonly features: readonly number[];
  readonly strides: readonly Dims3[];
  /** Residual blocks or convolutions of every encoder stage. */
  readonly encoder: readonly number[];
  /** Convolutions of every decoder stage, lowest resolution first. */
  readonly decoder: readonly number[];
  /** Channels of the output. */
  readonly outputs: number;
  /** Whether every resolution of the decoder but the lowest has an output. */
  readonly deepSupervision: boolean;
}

/**
 * Number of elements of all convolution outputs for one patch, nnU-Net's estimate of the memory that training takes.
 *
 * Source: `compute_conv_feature_map_size` of dynamic-network-architectures
 */
export function convElements(network: CostedNetwork, patch: Dims3): number {
  const { kind, features, strides, encoder, decoder, outputs } = network;
  const voxels: number[] = [];
  let size: Dims3 = patch;
  for (const stride of strides) {
    size = [
      Math.floor(size[0] / stride[0]),
      Math.floor(size[1] / stride[1]),
      Math.floor(size[2] / stride[2]),
    ];
    voxels.push(voxelCount(size));
  }
  let sum = kind === "residual" ? features[0] * voxels[0] : 0; // the stem
  for (const [s, channels] of features.entries()) {
    if (kind === "plain") {
      sum += encoder[s] * channels * voxels[s];
      continue;
    }
    const before = s === 0 ? features[0] : features[s - 1];
    const projected = before !== channels || strides[s].some((stride) => stride !== 1);
    sum += (2 * encoder[s] + (projected ? 1 : 0)) * channels * voxels[s];
  }
  for (const [d, convs] of decoder.entries()) {
    const s = features.length - 2 - d;
    sum += (1 + convs) * features[s] * voxels[s]; // transposed convolution, then the convolutions
    if (network.deepSupervision || s === 0) sum += outputs * voxels[s];
  }
  return sum;
}
