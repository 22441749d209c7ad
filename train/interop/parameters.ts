import { Graph, Scope } from "../../kernels/graph/graph.ts";
import { tensor } from "../../kernels/spec.ts";
import { downsampling, type NetworkConfig } from "../../model/config.ts";
import { resEncUNet } from "../../model/unet.ts";
import type { ModelFile, ModelKind } from "./types.ts";

/**
 * Names and shapes of all parameters of a network: those of the U-Net in order of declaration, then tokens and densification.
 *
 * @throws {ConfigError} when the network cannot be built
 */
export function modelParameters(kind: ModelKind, network: NetworkConfig): ModelFile["parameters"] {
  const graph = new Graph();
  const patch = downsampling(network).at(-1)!.map((extent) => 2 * extent);
  resEncUNet(new Scope(graph), graph.input("image", tensor([1, network.inputChannels, ...patch])), network);
  const unet = graph.parameters.map(({ name, spec }) => ({ name, shape: spec.shape }));
  const { features } = network;
  const tokens = kind === "s3d" || kind === "s3d-efficient"
    ? features.map((count, level) => ({ name: `mask_tokens.${level}`, shape: [1, count, 1, 1, 1] }))
    : [];
  const densify = kind === "s3d"
    ? features.slice(1).flatMap((count, i) => [
      { name: `densify_projs.${i + 1}.weight`, shape: [count, count, 3, 3, 3] },
      { name: `densify_projs.${i + 1}.bias`, shape: [count] },
    ])
    : [];
  return [...unet, ...tokens, ...densify];
}
