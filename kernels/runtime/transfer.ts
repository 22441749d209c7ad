/** Moves data between host and device: element types, and reusable staging buffers for reading back. */
import { DeviceError } from "../errors.ts";
import { elementCount, type TensorSpec } from "../spec.ts";
import type { Gpu } from "./device.ts";

/** Whether the host sees a tensor as numbers of 32-bit floats. */
export function isFloat({ dtype }: TensorSpec): boolean {
  return dtype === "f32" || dtype === "f16";
}

/** Bytes of a tensor of `dtype` f32 or f16 from its elements; f16 rounds to the nearest, and pads to a multiple of 4 bytes. */
export function encodeFloats(
  values: Float32Array<ArrayBuffer>,
  spec: TensorSpec,
): ArrayBufferView<ArrayBuffer> {
  if (spec.dtype === "f32") return values;
  const halves = new Float16Array(Math.ceil(values.length / 2) * 2);
  halves.set(values);
  return halves;
}

/** Writes host data to a device buffer, as plain bytes: Dawn crashes on a Float16Array. @param offset bytes */
export function writeBytes(
  device: GPUDevice,
  buffer: GPUBuffer,
  offset: number,
  { buffer: memory, byteOffset, byteLength }: ArrayBufferView<ArrayBuffer>,
): void {
  device.queue.writeBuffer(buffer, offset, memory, byteOffset, byteLength);
}

/** Elements of a tensor of `dtype` f32 or f16 from its bytes. */
export function decodeFloats(bytes: ArrayBuffer, spec: TensorSpec): Float32Array<ArrayBuffer> {
  const count = elementCount(spec.shape);
  return spec.dtype === "f16"
    ? Float32Array.from(new Float16Array(bytes, 0, count))
    : new Float32Array(bytes, 0, count);
}

/** Reads device buffers through mapped staging buffers that are kept for the next read of the same size. */
export class StagingRing implements Disposable {
  #free = new Map<number, GPUBuffer[]>();
  #all: GPUBuffer[] = [];

  constructor(readonly gpu: Gpu) {}

  /** Bytes of the staging buffers made so far. */
  get allocatedBytes(): number {
    return this.#all.reduce((sum, buffer) => sum + buffer.size, 0);
  }

  /**
   * Copies `size` bytes to the host. Stalls until the GPU is idle (in Deno the whole thread): keep it out of step loops.
   *
   * @param offset bytes, a multiple of 4
   * @param size bytes, a multiple of 4
   * @returns exactly `size` bytes
   * @throws {DeviceError} when the device fails meanwhile
   */
  async read(source: GPUBuffer, offset: number, size: number): Promise<ArrayBuffer> {
    const staging = this.#take(size);
    const encoder = this.gpu.device.createCommandEncoder();
    encoder.copyBufferToBuffer(source, offset, staging, 0, size);
    this.gpu.device.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(GPUMapMode.READ, 0, size);
    } catch (cause) {
      throw new DeviceError(`Cannot read ${size} bytes back from the GPU: ${cause}`, { reason: "map" }, {
        cause,
      });
    }
    const data = staging.getMappedRange(0, size).slice(0);
    staging.unmap();
    this.#free.get(staging.size)!.push(staging);
    return data;
  }

  #take(size: number): GPUBuffer {
    const rounded = Math.max(4096, 2 ** Math.ceil(Math.log2(size)));
    const free = this.#free.get(rounded) ?? [];
    this.#free.set(rounded, free);
    const reused = free.pop();
    if (reused) return reused;
    const buffer = this.gpu.device.createBuffer({
      label: "staging",
      size: rounded,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    this.#all.push(buffer);
    return buffer;
  }

  [Symbol.dispose](): void {
    for (const buffer of this.#all) buffer.destroy();
    this.#all = [];
    this.#free.clear();
  }
}
