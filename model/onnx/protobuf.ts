/**
 * Protocol-buffer messages as chunks of bytes, so that large tensors are fetched only when they are written.
 *
 * Written here rather than taken from a library: those build a message in memory and then copy it into one array, twice the
 * weights of a network; only four kinds of field are needed.
 * Source: the wire format as documented at protobuf.dev (varint, fixed32 and length-delimited fields).
 */

/** Bytes that are there, or whose number is known and that are made when asked for. */
export type Chunk = Uint8Array<ArrayBuffer> | {
  readonly byteLength: number;
  read(): Promise<Uint8Array<ArrayBuffer>>;
};

/** Bytes of a list of chunks. */
export function byteLengthOf(chunks: readonly Chunk[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
}

/** A whole number from 0 to 2^53 - 1, seven bits a byte, lowest first. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  while (value > 127) {
    bytes.push(value % 128 + 128);
    value = Math.floor(value / 128);
  }
  return [...bytes, value];
}

/** A field with a whole number, for int32, int64 and enumerations. */
export function intField(field: number, value: number): Chunk[] {
  return [Uint8Array.from([...varint(field * 8), ...varint(value)])];
}

/** A field with a 32-bit float. */
export function floatField(field: number, value: number): Chunk[] {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return [Uint8Array.from([...varint(field * 8 + 5), ...bytes])];
}

/** A field with bytes or a nested message. */
export function bytesField(field: number, content: readonly Chunk[]): Chunk[] {
  return [Uint8Array.from([...varint(field * 8 + 2), ...varint(byteLengthOf(content))]), ...content];
}

/** A field with text. */
export function textField(field: number, text: string): Chunk[] {
  return bytesField(field, [new TextEncoder().encode(text)]);
}

/** Neighbouring small chunks joined: one write for the thousands of fields between two tensors. */
export function joined(chunks: readonly Chunk[]): Chunk[] {
  const result: Chunk[] = [];
  let small: Uint8Array[] = [];
  const flush = () => {
    if (small.length === 0) return;
    const bytes = new Uint8Array(byteLengthOf(small as Uint8Array<ArrayBuffer>[]));
    let at = 0;
    for (const piece of small) {
      bytes.set(piece, at);
      at += piece.length;
    }
    result.push(bytes);
    small = [];
  };
  for (const chunk of chunks) {
    if (chunk instanceof Uint8Array) small.push(chunk);
    else {
      flush();
      result.push(chunk);
    }
  }
  flush();
  return result;
}
