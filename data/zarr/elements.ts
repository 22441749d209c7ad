import type { ArrayType } from "./types.ts";

/** Values that can be stored: intensities or labels. */
export type ArrayData = Float32Array | Int32Array | Int16Array | Int8Array;

/**
 * Elements as they are stored: little-endian, which every platform of the runtime is; float16 is rounded to nearest.
 *
 * @returns a view of `data` where nothing has to be converted
 */
export function encodeElements(data: ArrayData, dtype: ArrayType): Uint8Array<ArrayBufferLike> {
  const typed = dtype === "float16"
    ? new Float16Array(data)
    : dtype === "float32"
    ? (data instanceof Float32Array ? data : Float32Array.from(data))
    : dtype === "int16"
    ? (data instanceof Int16Array ? data : Int16Array.from(data))
    : (data instanceof Int8Array ? data : Int8Array.from(data));
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
}

let halfTable: Float32Array | undefined;

/** float32 value of every float16 bit pattern: three times as fast as reading a Float16Array. `[65536]` */
function halfValues(): Float32Array {
  return halfTable ??= Float32Array.from(
    new Float16Array(Uint16Array.from({ length: 65536 }, (_, bits) => bits).buffer),
  );
}

/** Copies `count` elements from element `from` on to `output` from `to` on. */
export type ElementCopy = (from: number, count: number, output: Float32Array, to: number) => void;

/**
 * Reader of stored elements as float32.
 *
 * @param bytes stored elements; their offset in the buffer is a multiple of the element size
 */
export function elementCopy(bytes: Uint8Array, dtype: ArrayType): ElementCopy {
  const { buffer, byteOffset, byteLength } = bytes;
  if (dtype === "float16") {
    const bits = new Uint16Array(buffer, byteOffset, byteLength / 2), table = halfValues();
    return (from, count, output, to) => {
      for (let i = 0; i < count; i++) output[to + i] = table[bits[from + i]];
    };
  }
  const values = dtype === "float32"
    ? new Float32Array(buffer, byteOffset, byteLength / 4)
    : dtype === "int16"
    ? new Int16Array(buffer, byteOffset, byteLength / 2)
    : new Int8Array(buffer, byteOffset, byteLength);
  return (from, count, output, to) => output.set(values.subarray(from, from + count), to);
}
