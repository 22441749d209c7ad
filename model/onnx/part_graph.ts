/** The graph of the part of a network that becomes a model, at the smallest patch where none is given. */
import { Graph, Scope, type Value } from "../../kernels/graph/graph.ts";
import { dims } from "../../kernels/ops/conv3d/geometry.ts";
import { type Dims3, tensor } from "../../kernels/spec.ts";
import { checkPatch, ConfigError, downsampling, type NetworkConfig, validateNetwork } from "../config.ts";
import { encode } from "../encoder.ts";
import { maskedAutoencoder } from "../mae.ts";
import { resEncUNet } from "../unet.ts";
import type { OnnxMasking, OnnxOptions } from "./options.ts";

/** An input or output with what a caller must know about it. */
export interface Port {
  readonly name: string;
  readonly value: Value;
  /** Voxels of the image that one element stands for along each axis. */
  readonly voxels: Dims3;
  readonly description: string;
}

/** A part of a network as a graph. */
export interface PartGraph {
  readonly graph: Graph;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** What every axis of the image must be a multiple of. */
  readonly multiple: Dims3;
}

/** Smallest number that both divide. */
function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return a / x * b;
}

/** The masking of a reconstruction. @throws {ConfigError} when there is none, or its block is no block */
function maskingOf({ masking }: OnnxOptions): OnnxMasking {
  if (masking === undefined) {
    throw new ConfigError(
      "Cannot write a reconstruction network: found no masking, wanted its kind and block: take them from the run's configuration",
      "masking",
    );
  }
  if (!masking.block.every((n) => Number.isInteger(n) && n >= 1)) {
    throw new ConfigError(
      `Cannot write a reconstruction network: mask block is ${
        masking.block.join("x")
      }, wanted positive integers`,
      "masking.block",
    );
  }
  return masking;
}

/** What every axis of an image must be a multiple of: the strides and, for reconstruction, the blocks of the mask. */
function multipleOf(options: OnnxOptions): Dims3 {
  validateNetwork(options.network);
  const strides = downsampling(options.network).at(-1)!;
  if (options.part !== "reconstruction") return strides;
  const { block } = maskingOf(options);
  return dims((axis) => leastCommonMultiple(strides[axis], block[axis]));
}

/** The patch that a graph is built at. @throws {ConfigError} when the given one does not fit */
function patchOf({ patch, network }: OnnxOptions, multiple: Dims3): Dims3 {
  if (patch === undefined) return multiple;
  checkPatch(network, patch);
  patch.forEach((extent, axis) => {
    if (extent % multiple[axis] !== 0) {
      throw new ConfigError(
        `Cannot use patch ${patch.join("x")}: axis ${axis} is ${extent}, wanted a multiple of ${
          multiple[axis]
        } for the mask's blocks`,
        `patch[${axis}]`,
      );
    }
  });
  return patch;
}

/**
 * Builds a part of a network with the functions that training uses, sparse encoders as whole maps with zeros in hidden voxels.
 *
 * @throws {ConfigError} when network, part, patch and masking do not fit together
 */
export function partGraph(options: OnnxOptions): PartGraph {
  const multiple = multipleOf(options);
  const patch = patchOf(options, multiple);
  const network: NetworkConfig = { ...options.network, deepSupervision: false };
  const graph = new Graph();
  const scope = new Scope(graph);
  const n = options.batch === "dynamic" ? 1 : options.batch;
  const value = graph.input("image", tensor([n, network.inputChannels, ...patch]));
  const voxels: Dims3 = [1, 1, 1];
  const image: Port = {
    name: "image",
    value,
    voxels,
    description: `[N, C, D, H, W], preprocessed as in training, axes multiples of ${multiple.join(", ")}`,
  };
  const whole = (name: string, of: Value, description: string): Port => ({
    name,
    value: of,
    voxels,
    description,
  });
  switch (options.part) {
    case "encoder": {
      const features = encode(
        scope.at("encoder"),
        { init: network.init, masking: null, sparse: false },
        value,
        network,
      );
      const down = downsampling(network);
      const outputs = features.map((feature, stage): Port => ({
        name: `stage_${stage}`,
        value: feature,
        voxels: down[stage],
        description: `features of stage ${stage}, one element for ${down[stage].join("x")} voxels`,
      }));
      return { graph, inputs: [image], outputs, multiple };
    }
    case "segmentation": {
      const { outputs: [logits] } = resEncUNet(scope, value, network);
      const output = whole("logits", logits, "one channel a class, without final activation");
      return { graph, inputs: [image], outputs: [output], multiple };
    }
    case "reconstruction": {
      const { kind, leakyStem, block } = maskingOf(options);
      const cells = graph.input("mask", tensor([n, 1, ...dims((axis) => patch[axis] / block[axis])]));
      const { reconstruction } = maskedAutoencoder(scope, value, cells, { kind, network, leakyStem });
      const mask: Port = {
        name: "mask",
        value: cells,
        voxels: block,
        description: `[N, 1, ...], 1 = visible, 0 = hidden, one element for ${block.join("x")} voxels`,
      };
      const output = whole("reconstruction", reconstruction, "intensities as in training (z-scores)");
      return { graph, inputs: [image, mask], outputs: [output], multiple };
    }
  }
}
