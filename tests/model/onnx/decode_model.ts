/** Reads an ONNX file: the wire format of protocol buffers and the field numbers of onnx.proto3, for checking what is written. */

/** A field: a whole number, or bytes (nested messages, texts, fixed32). */
type Field = number | Uint8Array;

/** Fields of a message by number, in order. @throws {Error} when the bytes are no message */
function fieldsOf(bytes: Uint8Array): Map<number, Field[]> {
  const fields = new Map<number, Field[]>();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1;; factor *= 128) {
      if (at >= bytes.length) throw new Error("a number goes on behind the end");
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  const take = (length: number) => {
    if (at + length > bytes.length) throw new Error(`${length} bytes at ${at} of ${bytes.length}`);
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const key = varint();
    const [number, wire] = [Math.floor(key / 8), key % 8];
    if (![0, 2, 5].includes(wire)) throw new Error(`field ${number} has wire type ${wire}`);
    const value = wire === 0 ? varint() : wire === 2 ? take(varint()) : take(4);
    fields.set(number, [...fields.get(number) ?? [], value]);
  }
  return fields;
}

class Message {
  readonly #fields: Map<number, Field[]>;
  constructor(bytes: Uint8Array) {
    this.#fields = fieldsOf(bytes);
  }
  numbers(field: number): number[] {
    return (this.#fields.get(field) ?? []) as number[];
  }
  bytes(field: number): Uint8Array[] {
    return (this.#fields.get(field) ?? []) as Uint8Array[];
  }
  texts(field: number): string[] {
    return this.bytes(field).map((b) => new TextDecoder().decode(b));
  }
  messages(field: number): Message[] {
    return this.bytes(field).map((b) => new Message(b));
  }
}

/** An attribute's value. */
export type Attribute = number | string | readonly number[];

/** One operator. */
export interface DecodedNode {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A constant. */
export interface DecodedTensor {
  readonly shape: readonly number[];
  readonly type: number;
  readonly data: Float64Array;
}

/** A model. */
export interface DecodedModel {
  readonly irVersion: number;
  readonly opset: number;
  readonly producer: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly nodes: readonly DecodedNode[];
  readonly tensors: ReadonlyMap<string, DecodedTensor>;
  readonly inputs: Readonly<Record<string, readonly (number | string)[]>>;
  readonly outputs: Readonly<Record<string, readonly (number | string)[]>>;
}

function attribute(m: Message): Attribute {
  const [type] = m.numbers(20);
  switch (type) {
    case 1: {
      const [b] = m.bytes(2);
      return new DataView(b.buffer, b.byteOffset).getFloat32(0, true);
    }
    case 2:
      return m.numbers(3)[0];
    case 3:
      return m.texts(4)[0];
    case 7:
      return m.numbers(8);
    default:
      throw new Error(`attribute ${m.texts(1)} has type ${type}`);
  }
}

function tensor(m: Message): DecodedTensor {
  const [type] = m.numbers(2);
  const raw = m.bytes(9)[0].slice();
  const data = type === 1
    ? Float64Array.from(new Float32Array(raw.buffer))
    : Float64Array.from(new BigInt64Array(raw.buffer), Number);
  return { shape: m.numbers(1), type, data };
}

function ports(messages: readonly Message[]): Record<string, (number | string)[]> {
  return Object.fromEntries(messages.map((m) => {
    const [type] = m.messages(2)[0].messages(1);
    const dims = type.messages(2)[0].messages(1);
    return [m.texts(1)[0], dims.map((d) => d.numbers(1)[0] ?? d.texts(2)[0])];
  }));
}

/** Reads a model. @throws {Error} when the bytes are none */
export function decodeModel(bytes: Uint8Array): DecodedModel {
  const model = new Message(bytes);
  const [graph] = model.messages(7);
  return {
    irVersion: model.numbers(1)[0],
    opset: model.messages(8)[0].numbers(2)[0],
    producer: model.texts(2)[0],
    metadata: Object.fromEntries(model.messages(14).map((m) => [m.texts(1)[0], m.texts(2)[0]])),
    nodes: graph.messages(1).map((m) => ({
      operator: m.texts(4)[0],
      inputs: m.texts(1),
      outputs: m.texts(2),
      attributes: Object.fromEntries(m.messages(5).map((a) => [a.texts(1)[0], attribute(a)])),
    })),
    tensors: new Map(graph.messages(5).map((m) => [m.texts(8)[0], tensor(m)])),
    inputs: ports(graph.messages(11)),
    outputs: ports(graph.messages(12)),
  };
}
