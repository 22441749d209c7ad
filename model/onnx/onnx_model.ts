/** A network as an ONNX model. */
import { formatBytes, LimitError } from "../../kernels/errors.ts";
import type { Graph, Node, Value } from "../../kernels/graph/graph.ts";
import { elementCount } from "../../kernels/spec.ts";
import { ConfigError } from "../config.ts";
import { Emitter } from "./emitter.ts";
import { modelChunks, type OnnxPort, type OnnxTensor } from "./messages.ts";
import type { OnnxOptions } from "./options.ts";
import { type PartGraph, partGraph, type Port } from "./part_graph.ts";
import { byteLengthOf } from "./protobuf.ts";
import { translate } from "./translate.ts";

/** Largest message that protocol buffers allow, bytes. */
const MAX_BYTES = 2 ** 31 - 1;

/** A model that is written piece by piece. */
export interface OnnxModel {
  /** Size of the file. */
  readonly byteLength: number;
  /** Parameters in it, those that the part uses: names, and values. */
  readonly tensors: number;
  readonly parameters: number;
  /** What every axis of the image must be a multiple of. */
  readonly multiple: readonly [number, number, number];
  /** The file's bytes in order; weights are asked for while they are written, one tensor at a time. */
  chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>>;
}

/** Nodes that outputs depend on, in order of execution. */
function neededNodes(graph: Graph, outputs: readonly Value[]): Node[] {
  const needed = new Set<Value>(outputs);
  return graph.nodes.toReversed().filter((node) => {
    if (!node.outputs.some((v) => needed.has(v))) return false;
    for (const input of node.inputs) needed.add(input);
    return true;
  }).reverse();
}

/** Shape of an input or output, with names where calls decide. */
function portShape({ value, voxels, name }: Port, { batch, patch }: OnnxOptions): (number | string)[] {
  const [n, channels, ...size] = value.spec.shape;
  const axes = ["depth", "height", "width"];
  return [
    batch === "dynamic" ? "batch" : n,
    channels,
    ...size.map((extent, axis) => {
      if (patch) return extent;
      return voxels[axis] === 1 && name !== "mask" ? axes[axis] : `${axes[axis]}/${voxels[axis]}`;
    }),
  ];
}

/**
 * Describes a network as an ONNX model: opset 17, standard operators, 32-bit floats.
 *
 * Inputs and outputs as in {@linkcode OnnxPart}; the graph is the one that training runs, operation by operation, so an
 * encoder of whole maps also where training computes kept blocks only. Parameters that the part does not use are left out.
 *
 * @throws {ConfigError} when network, part, batch, patch and masking do not fit together
 * @throws {LimitError} when the file would exceed protocol buffers' 2 GiB
 */
export function describeOnnxModel(options: OnnxOptions): OnnxModel {
  const { batch, tensor, network, part } = options;
  if (batch !== "dynamic" && !(Number.isInteger(batch) && batch >= 1)) {
    throw new ConfigError(
      `Cannot write an ONNX model: batch is ${batch}, wanted a positive integer or dynamic`,
      "batch",
    );
  }
  const built: PartGraph = partGraph(options);
  const nodes = neededNodes(built.graph, built.outputs.map(({ value }) => value));
  const emitter = new Emitter();
  for (const { value, name } of [...built.inputs, ...built.outputs]) emitter.name(value, name);
  for (const node of nodes) translate(node, emitter);
  const used = new Set(nodes.flatMap((node) => node.inputs));
  const weights = built.graph.parameters.filter((p) => used.has(p)).map((p): OnnxTensor => ({
    name: p.name,
    shape: p.spec.shape,
    values: { read: async () => await tensor(p.name) },
  }));
  const port = (each: Port): OnnxPort => ({
    name: each.name,
    shape: portShape(each, options),
    description: each.description,
  });
  const chunks = modelChunks({
    name: part,
    description: `${part} network: ${network.encoder} encoder, features ${network.features.join(", ")}`,
    nodes: emitter.nodes,
    tensors: [...emitter.constants, ...weights],
    inputs: built.inputs.map(port),
    outputs: built.outputs.map(port),
  }, options.metadata);
  const byteLength = byteLengthOf(chunks);
  if (byteLength > MAX_BYTES) {
    throw new LimitError(
      `Cannot write an ONNX model of ${formatBytes(byteLength)}: protocol buffers allow ${
        formatBytes(MAX_BYTES)
      }: export the encoder alone, or another format`,
      { value: part, need: byteLength, max: MAX_BYTES },
    );
  }
  return {
    byteLength,
    tensors: weights.length,
    parameters: weights.reduce((sum, { shape }) => sum + elementCount(shape), 0),
    multiple: built.multiple,
    async *chunks() {
      for (const chunk of chunks) yield chunk instanceof Uint8Array ? chunk : await chunk.read();
    },
  };
}

/**
 * The bytes of {@linkcode describeOnnxModel}'s file.
 *
 * @throws as describeOnnxModel, and whatever `tensor` throws
 *
 * ```ts
 * import { onnxModel } from "./onnx_model.ts";
 * import { networkPreset } from "../config.ts";
 * import { Graph, Scope } from "../../kernels/graph/graph.ts";
 * import { elementCount, tensor } from "../../kernels/spec.ts";
 * import { resEncUNet } from "../unet.ts";
 *
 * const network = networkPreset("tiny", { outputChannels: 3 });
 * const graph = new Graph();
 * resEncUNet(new Scope(graph), graph.input("image", tensor([1, 1, 16, 16, 16])), network);
 * const bytes = await onnxModel({
 *   network,
 *   part: "segmentation",
 *   tensor: (name) => new Float32Array(elementCount(graph.find(name).spec.shape)),
 *   batch: "dynamic",
 *   metadata: { licence: "none" },
 * });
 * console.assert(bytes.length > 40_000);
 * ```
 */
export async function onnxModel(options: OnnxOptions): Promise<Uint8Array<ArrayBuffer>> {
  const model = describeOnnxModel(options);
  const bytes = new Uint8Array(model.byteLength);
  let at = 0;
  for await (const chunk of model.chunks()) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
