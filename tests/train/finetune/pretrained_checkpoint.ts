/** Checkpoints of tiny pre-trained networks, written without a GPU. */
import { writeSafetensors } from "../../../data/safetensors_file.ts";
import { Graph, Scope, type Value } from "../../../kernels/graph/graph.ts";
import { type Dims3, tensor } from "../../../kernels/spec.ts";
import { isotropic, type NetworkConfig } from "../../../model/config.ts";
import { maskedAutoencoder } from "../../../model/mae.ts";
import { resEncUNet } from "../../../model/unet.ts";
import { ADAPTATION_PLAN_KEY, adaptationPlan } from "../../../train/adaptation_plan.ts";
import { type Feeds, movedParameters } from "../../model/network_case.ts";
import { pretrainPlan } from "../tiny_run.ts";

/** Patch of {@link tinyNetwork}. */
export const TINY_PATCH: Dims3 = [8, 8, 8];

/** A residual network of three stages, one channel in and out. */
export function tinyNetwork(changes: Partial<NetworkConfig> = {}): NetworkConfig {
  return isotropic({ features: [3, 4, 5], blocks: [1, 2, 1], ...changes });
}

/** A U-Net in a graph, on `[1, inputChannels, ...TINY_PATCH]`. */
export function unetGraph(network: NetworkConfig): {
  readonly graph: Graph;
  readonly image: Value;
  readonly skips: readonly Value[];
  readonly parameters: { readonly name: string; readonly shape: readonly number[] }[];
} {
  const graph = new Graph();
  const image = graph.input("image", tensor([1, network.inputChannels, ...TINY_PATCH]));
  const { skips } = resEncUNet(new Scope(graph), image, network);
  return {
    graph,
    image,
    skips,
    parameters: graph.parameters.map(({ name, spec }) => ({ name, shape: spec.shape })),
  };
}

/** Tensors of a safetensors file as they are written. */
export type Tensors = Map<
  string,
  {
    dtype: "F32" | "F16";
    shape: readonly number[];
    data: Float32Array<ArrayBuffer> | Float16Array<ArrayBuffer>;
  }
>;

/** A masked auto-encoder's weights and two optimiser states, as a pre-training run would save them. */
export function pretrainedTensors(
  network: NetworkConfig,
): { readonly weights: Feeds; readonly tensors: Tensors } {
  const graph = new Graph();
  const image = graph.input("image", tensor([1, network.inputChannels, ...TINY_PATCH]));
  const mask = graph.input("mask", tensor([1, 1, 2, 2, 2]));
  maskedAutoencoder(new Scope(graph), image, mask, { kind: "s3d", network, leakyStem: false });
  const weights = movedParameters(graph);
  const tensors: Tensors = new Map([...weights].map(([{ name, spec: { shape } }, data]) => [
    name,
    { dtype: "F32", shape, data: data as Float32Array<ArrayBuffer> },
  ]));
  const [first] = tensors.values();
  tensors.set(`velocity:${[...tensors.keys()][0]}`, first);
  tensors.set("lossScale", { dtype: "F32", shape: [1], data: Float32Array.of(65536) });
  return { weights, tensors };
}

/** Writes tensors with the metadata of a pre-training checkpoint. */
export function writeCheckpoint(path: string, tensors: Tensors, network: NetworkConfig): Promise<void> {
  return writeSafetensors(path, tensors, {
    format: "spark3d-checkpoint-1",
    [ADAPTATION_PLAN_KEY]: JSON.stringify(adaptationPlan(network, TINY_PATCH, pretrainPlan(TINY_PATCH))),
  });
}
