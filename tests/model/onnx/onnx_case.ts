/** Parts of networks with weights: as an ONNX model, and as the graphs that training and prediction run. */
import { Graph, Scope, type Value } from "../../../kernels/graph/graph.ts";
import { type Dims3, elementCount, tensor } from "../../../kernels/spec.ts";
import { blockTableRow } from "../../../kernels/ops/blocks/table.ts";
import type { NetworkConfig } from "../../../model/config.ts";
import { encode } from "../../../model/encoder.ts";
import { maskedAutoencoder } from "../../../model/mae.ts";
import { declareVisibleBlocks, type EncoderLayout } from "../../../model/masking.ts";
import type { OnnxMasking, OnnxOptions, OnnxPart } from "../../../model/onnx/mod.ts";
import { resEncUNet } from "../../../model/unet.ts";
import { type Contents, noise } from "../../support/ops.ts";
import { type Feeds, movedParameters } from "../network_case.ts";

/** A part of a network. */
export interface OnnxCase {
  readonly network: NetworkConfig;
  readonly part: OnnxPart;
  readonly masking?: OnnxMasking;
}

/** Inputs of one call. */
export interface OnnxInputs {
  readonly batch: number;
  readonly patch: Dims3;
  /** By name of the model's input. */
  readonly tensors: Readonly<
    Record<string, { readonly shape: readonly number[]; readonly data: Float32Array<ArrayBuffer> }>
  >;
}

/** A graph of ours with contents; outputs by name of the model's output. */
export interface OwnGraph {
  readonly graph: Graph;
  readonly feeds: Feeds;
  readonly outputs: ReadonlyMap<string, Value>;
}

/** An image of noise and, for reconstruction, a mask with about a third of the blocks visible, at least one a sample. */
export function inputsOf(
  { network, part, masking }: OnnxCase,
  batch: number,
  patch: Dims3,
  seed = 1,
): OnnxInputs {
  const shape = [batch, network.inputChannels, ...patch];
  const image = { shape, data: noise(elementCount(shape), seed) };
  if (part !== "reconstruction") return { batch, patch, tensors: { image } };
  const grid = patch.map((n, axis) => n / masking!.block[axis]);
  const cells = elementCount(grid);
  const data = noise(batch * cells, seed + 1).map((v, i) => i % cells === cells - 1 || v > 0.3 ? 1 : 0);
  const mask = { shape: [batch, 1, ...grid], data: data as Float32Array<ArrayBuffer> };
  return { batch, patch, tensors: { image, mask } };
}

/** Contents of the input that tells visible blocks in a layout. */
function visibleBlocks({ batch, tensors: { mask } }: OnnxInputs, layout: EncoderLayout) {
  const grid = mask.shape.slice(2) as unknown as Dims3;
  const cells = elementCount(grid);
  const samples = Array.from({ length: batch }, (_, n) => mask.data.subarray(n * cells, (n + 1) * cells));
  const kept = Math.max(...samples.map((sample) => sample.reduce((sum, v) => sum + v, 0)));
  const data: Contents = layout === "dense-masked"
    ? mask.data
    : Int32Array.from(samples.flatMap((sample) => [...blockTableRow(sample, { grid, kept })]));
  return { at: { grid, kept }, data };
}

/** The part as training and prediction build it. @param layout how a sparse encoder stores its activations */
export function ownGraph(c: OnnxCase, inputs: OnnxInputs, layout: EncoderLayout = "dense-masked"): OwnGraph {
  const { network, part, masking } = c;
  const graph = new Graph();
  const scope = new Scope(graph);
  const image = graph.input("image", tensor(inputs.tensors.image.shape));
  const told: [Value, Contents][] = [[image, inputs.tensors.image.data]];
  const outputs = new Map<string, Value>();
  if (part === "reconstruction") {
    const { at, data } = visibleBlocks(inputs, layout);
    const visible = declareVisibleBlocks(graph, layout, inputs.batch, at);
    told.push(["table" in visible ? visible.table : visible, data]);
    outputs.set(
      "reconstruction",
      maskedAutoencoder(scope, image, visible, { ...masking!, network }).reconstruction,
    );
  } else if (part === "segmentation") {
    outputs.set("logits", resEncUNet(scope, image, network).outputs[0]);
  } else {
    const context = { init: network.init, masking: null, sparse: false };
    encode(scope.at("encoder"), context, image, network).forEach((v, i) => outputs.set(`stage_${i}`, v));
  }
  return { graph, feeds: new Map([...movedParameters(graph), ...told]), outputs };
}

/** What the model of a case is made from: the weights of {@linkcode ownGraph}. */
export function onnxOptions(c: OnnxCase, patch: Dims3, changes: Partial<OnnxOptions> = {}): OnnxOptions {
  const { graph, feeds } = ownGraph(c, inputsOf(c, 1, patch));
  return {
    ...c,
    tensor: (name) => feeds.get(graph.find(name)) as Float32Array,
    batch: "dynamic",
    metadata: {},
    ...changes,
  };
}
