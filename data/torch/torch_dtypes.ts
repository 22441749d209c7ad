import { elementBytes, type SafetensorsDType } from "../safetensors.ts";

/** Typed storages of torch and their element types, in both directions of this format. */
export const STORAGES: ReadonlyMap<string, SafetensorsDType> = new Map([
  ["DoubleStorage", "F64"],
  ["FloatStorage", "F32"],
  ["HalfStorage", "F16"],
  ["BFloat16Storage", "BF16"],
  ["LongStorage", "I64"],
  ["IntStorage", "I32"],
  ["ShortStorage", "I16"],
  ["CharStorage", "I8"],
  ["ByteStorage", "U8"],
  ["BoolStorage", "BOOL"],
]);

/** Names in `torch` of the element types that tensors with an untyped storage tell. */
export const DTYPES: ReadonlyMap<string, SafetensorsDType> = new Map([
  ["float64", "F64"],
  ["float32", "F32"],
  ["float16", "F16"],
  ["bfloat16", "BF16"],
  ["int64", "I64"],
  ["int32", "I32"],
  ["int16", "I16"],
  ["int8", "I8"],
  ["uint64", "U64"],
  ["uint32", "U32"],
  ["uint16", "U16"],
  ["uint8", "U8"],
  ["bool", "BOOL"],
]);

/** Codes of numpy's numeric types, without byte order. */
export const NUMPY_CODES: ReadonlyMap<string, SafetensorsDType> = new Map([
  ["f8", "F64"],
  ["f4", "F32"],
  ["f2", "F16"],
  ["i8", "I64"],
  ["i4", "I32"],
  ["i2", "I16"],
  ["i1", "I8"],
  ["u8", "U64"],
  ["u4", "U32"],
  ["u2", "U16"],
  ["u1", "U8"],
  ["b1", "BOOL"],
]);

/** Copy of numbers with the bytes of each reversed, for content from a big-endian machine. */
export function swapBytes(bytes: Uint8Array, dtype: SafetensorsDType): Uint8Array {
  const size = elementBytes(dtype);
  const swapped = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at++) swapped[at - at % size + size - 1 - at % size] = bytes[at];
  return swapped;
}
