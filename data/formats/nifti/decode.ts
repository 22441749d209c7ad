import { NIFTI_DATATYPES, type NiftiDatatype, type NiftiHeader } from "./header.ts";

type VoxelArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

const HOST_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Typed array of `count` voxels over `buffer` from `byteOffset`, a multiple of the voxel's bytes. */
export function voxelArray(
  datatype: NiftiDatatype,
  buffer: ArrayBuffer,
  byteOffset: number,
  count: number,
): VoxelArray {
  switch (datatype) {
    case "uint8":
      return new Uint8Array(buffer, byteOffset, count);
    case "int8":
      return new Int8Array(buffer, byteOffset, count);
    case "uint16":
      return new Uint16Array(buffer, byteOffset, count);
    case "int16":
      return new Int16Array(buffer, byteOffset, count);
    case "uint32":
      return new Uint32Array(buffer, byteOffset, count);
    case "int32":
      return new Int32Array(buffer, byteOffset, count);
    case "uint64":
      return new BigUint64Array(buffer, byteOffset, count);
    case "int64":
      return new BigInt64Array(buffer, byteOffset, count);
    case "float32":
      return new Float32Array(buffer, byteOffset, count);
    case "float64":
      return new Float64Array(buffer, byteOffset, count);
  }
}

/** Reverses the bytes of every element in place; nothing to do for one-byte elements. */
export function swapBytes(bytes: Uint8Array, elementBytes: number): void {
  for (let at = 0; at < bytes.length; at += elementBytes) {
    for (let low = at, high = at + elementBytes - 1; low < high; low++, high--) {
      const held = bytes[low];
      bytes[low] = bytes[high];
      bytes[high] = held;
    }
  }
}

/**
 * Voxel bytes to float32 intensities, `slope * stored + intercept` in float64 before rounding.
 *
 * @param bytes voxels exactly as stored, starting at the first voxel of a buffer of their own; swapped in place when the byte orders differ
 * @returns `[D * H * W]` in file order (x fastest)
 */
export function decodeVoxels(bytes: Uint8Array<ArrayBuffer>, header: NiftiHeader): Float32Array {
  const { bytes: elementBytes } = NIFTI_DATATYPES[header.datatype];
  const count = bytes.length / elementBytes;
  if (header.littleEndian !== HOST_LITTLE_ENDIAN && elementBytes > 1) swapBytes(bytes, elementBytes);
  const stored = voxelArray(header.datatype, bytes.buffer, bytes.byteOffset, count);
  const { slope, intercept } = header;
  if (stored instanceof Float32Array && slope === 1 && intercept === 0) return stored;
  const values = new Float32Array(count);
  if (stored instanceof BigInt64Array || stored instanceof BigUint64Array) {
    for (let i = 0; i < count; i++) values[i] = slope * Number(stored[i]) + intercept;
  } else if (slope === 1 && intercept === 0) {
    values.set(stored);
  } else {
    for (let i = 0; i < count; i++) values[i] = slope * stored[i] + intercept;
  }
  return values;
}
