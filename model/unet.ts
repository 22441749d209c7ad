/** The U-Net for segmentation and plain reconstruction. */
import type { Scope, Value } from "../kernels/graph/graph.ts";
import { checkPatch, type NetworkConfig, validateNetwork } from "./config.ts";
import { decode, type Decoded } from "./decoder.ts";
import { encode } from "./encoder.ts";
import { sizeOf } from "./masking.ts";

/** Values of a built U-Net. */
export interface UNet extends Decoded {
  /** Encoder features, finest first. */
  readonly skips: readonly Value[];
}

/**
 * Builds a U-Net under `scope`; parameters `encoder.*` and `decoder.*`.
 *
 * @param x `[N, inputChannels, D, H, W]`, every axis a multiple of the coarsest downsampling
 * @returns `outputs[0]`: `[N, outputChannels, D, H, W]` without final activation
 * @throws {ConfigError} when configuration or patch do not fit
 * Source: ResidualEncoderUNet and PlainConvUNet of dynamic-network-architectures.
 *
 * ```ts
 * import { Graph, Scope } from "../kernels/graph/graph.ts";
 * import { tensor } from "../kernels/spec.ts";
 * import { networkPreset } from "./config.ts";
 * import { resEncUNet } from "./unet.ts";
 *
 * const graph = new Graph();
 * const image = graph.input("image", tensor([1, 1, 16, 16, 16]));
 * const { outputs } = resEncUNet(new Scope(graph), image, networkPreset("tiny"));
 * console.assert(outputs[0].spec.shape.join() === "1,1,16,16,16");
 * ```
 */
export function resEncUNet(scope: Scope, x: Value, config: NetworkConfig): UNet {
  validateNetwork(config);
  checkPatch(config, sizeOf(x));
  const context = { init: config.init, masking: null, sparse: false };
  const skips = encode(scope.at("encoder"), context, x, config);
  const features = skips.map((value) => ({ value, token: null }));
  return { skips, ...decode(scope.at("decoder"), context, features, config) };
}
