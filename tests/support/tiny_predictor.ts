/** A tiny segmentation network with weights from noise, and its logits of single windows. */
import { Graph, Scope } from "../../kernels/graph/graph.ts";
import { type Dims3, elementCount, tensor } from "../../kernels/spec.ts";
import { isotropic, type NetworkConfig } from "../../model/config.ts";
import { resEncUNet } from "../../model/unet.ts";
import type { NetworkWeights, WindowNetwork } from "../../train/predict/window_network.ts";
import { noise } from "./ops.ts";

/** Window of {@linkcode tinyNetwork}. */
export const TINY_PATCH: Dims3 = [8, 8, 8];

/** Two stages, one input channel. @param outputs channels of the logits */
export function tinyNetwork(outputs: number, inputChannels = 1): NetworkConfig {
  return isotropic({ features: [4, 8], blocks: [1, 1], inputChannels, outputChannels: outputs });
}

/** Weights of noise for every parameter, norms around 1. */
export function tinyWeights(network: NetworkConfig, seed: number): NetworkWeights {
  const graph = new Graph();
  resEncUNet(
    new Scope(graph),
    graph.input("x", tensor([1, network.inputChannels, ...TINY_PATCH])),
    network,
  );
  return new Map(graph.parameters.map(({ name, spec }, i) => {
    const values = noise(elementCount(spec.shape), seed * 1000 + i);
    return [name, /norm\.weight$/.test(name) ? values.map((v) => 1 + 0.2 * v) : values];
  }));
}

/** Logits `[C, ...patch]` of one window as it is. */
export async function windowLogits(
  network: WindowNetwork,
  window: Float32Array<ArrayBuffer>,
): Promise<Float32Array> {
  network.setWindow(window);
  network.run(new Int32Array(3));
  return await network.readLogits();
}
