import type { SafetensorsTensor } from "../../data/safetensors.ts";

/**
 * Values of a tensor of floating-point numbers as float32: half and bfloat16 exactly, float64 rounded.
 *
 * @returns the tensor's own array where it is float32
 * @throws {RangeError} for integers and booleans
 */
export function toFloat32({ dtype, data }: SafetensorsTensor): Float32Array<ArrayBuffer> {
  switch (dtype) {
    case "F32":
      return data as Float32Array<ArrayBuffer>;
    case "F16":
    case "F64":
      return Float32Array.from(data as Float16Array | Float64Array);
    case "BF16": {
      const bits = data as Uint16Array;
      const wide = new Uint32Array(bits.length);
      for (let i = 0; i < bits.length; i++) wide[i] = bits[i] << 16;
      return new Float32Array(wide.buffer);
    }
    default:
      throw new RangeError(`found ${dtype}, wanted floating-point numbers`);
  }
}
