/**
 * ONNX's messages, as far as networks need them.
 * Source: onnx.proto3 of ONNX's release 1.12 (field numbers), operators of its opset 17.
 */
import { bytesField, type Chunk, floatField, intField, joined, textField } from "./protobuf.ts";

/** Version of the file format; 8 is what opset 17 came with. */
const IR_VERSION = 8;
/** Version of the set of operators. */
export const OPSET = 17;
/** Numbers of element types. */
export const ELEMENT_TYPES = { float: 1, int64: 7, bool: 9 } as const;
/** Numbers of attribute types. */
const ATTRIBUTE_TYPES = { float: 1, int: 2, text: 3, ints: 7 } as const;

/** An attribute: `float` for real numbers, `int`, `ints`, or text. */
export type OnnxAttribute =
  | { readonly float: number }
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly text: string };

/** One operator of a model; an empty input name stands for an optional input that is left out. */
export interface OnnxNode {
  readonly name: string;
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

/** A constant tensor. Floats come from `read` when they are written, C order, as many as the shape tells. */
export interface OnnxTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: { read(): Promise<Float32Array> } | { readonly int64: readonly number[] };
}

/** An input or output of a model, of 32-bit floats; a text as extent is the name of an extent that calls decide on. */
export interface OnnxPort {
  readonly name: string;
  readonly shape: readonly (number | string)[];
  readonly description: string;
}

/** A whole model. */
export interface OnnxGraph {
  readonly name: string;
  readonly description: string;
  readonly nodes: readonly OnnxNode[];
  readonly tensors: readonly OnnxTensor[];
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
}

function attribute(name: string, value: OnnxAttribute): Chunk[] {
  const type = (kind: keyof typeof ATTRIBUTE_TYPES) => intField(20, ATTRIBUTE_TYPES[kind]);
  const content = "float" in value
    ? [...floatField(2, value.float), ...type("float")]
    : "int" in value
    ? [...intField(3, value.int), ...type("int")]
    : "text" in value
    ? [...textField(4, value.text), ...type("text")]
    : [...value.ints.flatMap((n) => intField(8, n)), ...type("ints")];
  return [...textField(1, name), ...content];
}

function node({ name, operator, inputs, outputs, attributes }: OnnxNode): Chunk[] {
  return [
    ...inputs.flatMap((input) => textField(1, input)),
    ...outputs.flatMap((output) => textField(2, output)),
    ...textField(3, name),
    ...textField(4, operator),
    ...Object.entries(attributes).flatMap(([key, value]) => bytesField(5, attribute(key, value))),
  ];
}

/** Bytes of whole numbers as ONNX stores them: 64 bits, little endian. */
function int64Bytes(values: readonly number[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setBigInt64(8 * i, BigInt(value), true));
  return bytes;
}

/** Bytes of floats: 32 bits, little endian, which every platform that Deno runs on is. */
async function floatBytes({ name, shape }: OnnxTensor, read: () => Promise<Float32Array>, wanted: number) {
  const values = await read();
  if (values.byteLength !== wanted) {
    throw new RangeError(
      `Cannot write tensor ${name}: found ${values.length} values, wanted ${wanted / 4} for shape [${shape}]`,
    );
  }
  return new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, wanted);
}

function tensor(content: OnnxTensor): Chunk[] {
  const { name, shape, values } = content;
  const byteLength = 4 * shape.reduce((product, extent) => product * extent, 1);
  const raw: Chunk = "int64" in values
    ? int64Bytes(values.int64)
    : { byteLength, read: () => floatBytes(content, values.read, byteLength) };
  return [
    ...shape.flatMap((extent) => intField(1, extent)),
    ...intField(2, "int64" in values ? ELEMENT_TYPES.int64 : ELEMENT_TYPES.float),
    ...textField(8, name),
    ...bytesField(9, [raw]),
  ];
}

function port({ name, shape, description }: OnnxPort): Chunk[] {
  const extents = shape.flatMap((extent) =>
    bytesField(1, typeof extent === "number" ? intField(1, extent) : textField(2, extent))
  );
  const type = [...intField(1, ELEMENT_TYPES.float), ...bytesField(2, extents)];
  return [...textField(1, name), ...bytesField(2, bytesField(1, type)), ...textField(3, description)];
}

/** A `ModelProto` as chunks; `metadata` becomes its `metadata_props`. */
export function modelChunks(graph: OnnxGraph, metadata: Readonly<Record<string, string>>): Chunk[] {
  const content = [
    ...graph.nodes.flatMap((each) => bytesField(1, node(each))),
    ...textField(2, graph.name),
    ...graph.tensors.flatMap((each) => bytesField(5, tensor(each))),
    ...textField(10, graph.description),
    ...graph.inputs.flatMap((each) => bytesField(11, port(each))),
    ...graph.outputs.flatMap((each) => bytesField(12, port(each))),
  ];
  return joined([
    ...intField(1, IR_VERSION),
    ...textField(2, "spark3d"),
    ...bytesField(8, [...textField(1, ""), ...intField(2, OPSET)]),
    ...bytesField(7, content),
    ...Object.entries(metadata).flatMap(([key, value]) =>
      bytesField(14, [...textField(1, key), ...textField(2, value)])
    ),
  ]);
}
