/** Owns the persistent tensors of a plan: parameters and optimiser state, readable and writable by name. */
import { PlanError } from "../errors.ts";
import { elementCount, type Plan } from "../spec.ts";
import type { Gpu } from "./device.ts";
import { decodeFloats, encodeFloats, isFloat, StagingRing, writeBytes } from "./transfer.ts";

const ROLES = new Set(["parameter", "state"]);

/**
 * Buffers of role parameter and state, created zeroed. One store may serve the executors of several plans: tensors are
 * matched by name.
 */
export class ParameterStore implements Disposable {
  #buffers: ReadonlyMap<string, GPUBuffer>;
  #staging: StagingRing;

  private constructor(readonly gpu: Gpu, readonly plan: Plan, buffers: Map<string, GPUBuffer>) {
    this.#buffers = buffers;
    this.#staging = new StagingRing(gpu);
  }

  /** Allocates the store of a plan; every tensor starts at zero. */
  static create(gpu: Gpu, plan: Plan): ParameterStore {
    const buffers = new Map<string, GPUBuffer>();
    plan.buffers.forEach((buffer) => {
      if (!ROLES.has(buffer.role)) return;
      buffers.set(
        buffer.label,
        gpu.device.createBuffer({
          label: buffer.label,
          size: buffer.size,
          usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
        }),
      );
    });
    return new ParameterStore(gpu, plan, buffers);
  }

  /** Bytes of device memory that the store holds now, staging included. */
  get allocatedBytes(): number {
    const buffers = this.#buffers.values().reduce((sum, buffer) => sum + buffer.size, 0);
    return buffers + this.#staging.allocatedBytes;
  }

  /**
   * The buffer that holds a buffer of a plan, which need not be the plan that the store was made for.
   *
   * @returns undefined for roles other than parameter and state
   * @throws {PlanError} when the store has no tensor of that name and size
   */
  bufferFor(wanted: Plan["buffers"][number]): GPUBuffer | undefined {
    if (!ROLES.has(wanted.role)) return undefined;
    const buffer = this.#buffers.get(wanted.label);
    if (buffer?.size !== wanted.size) {
      throw new PlanError(
        `Cannot share ${wanted.role} ${wanted.label}: the store has ${
          buffer ? `${buffer.size} bytes under that name` : "no tensor of that name"
        }, the plan wants ${wanted.size} bytes: use plans of the same network and optimiser`,
        { value: wanted.label, found: buffer?.size, wanted: wanted.size },
      );
    }
    return buffer;
  }

  #range(name: string) {
    const range = this.plan.named[name];
    const buffer = range && this.#buffers.get(this.plan.buffers[range.buffer].label);
    if (!range || !buffer) {
      throw new PlanError(`Cannot access ${name}: the plan has no such parameter or state`);
    }
    if (!isFloat(range.spec)) {
      throw new PlanError(`Cannot access ${name}: it is ${range.spec.dtype}, wanted f32 or f16`);
    }
    return { range, buffer };
  }

  /**
   * Writes a tensor of f32 or f16, C order as in PyTorch.
   * @throws {PlanError} when the name is unknown, or type or number of elements differ
   */
  write(name: string, values: Float32Array<ArrayBuffer>): void {
    const { range, buffer } = this.#range(name);
    const wanted = elementCount(range.spec.shape);
    if (values.length !== wanted) {
      throw new PlanError(
        `Cannot write ${name}: found ${values.length} elements, wanted ${wanted} [${range.spec.shape}]`,
      );
    }
    writeBytes(this.gpu.device, buffer, range.offset, encodeFloats(values, range.spec));
  }

  /** Reads a tensor of f32 or f16 back, C order. Stalls. @throws {PlanError} when it is unknown or of another type */
  async read(name: string): Promise<Float32Array<ArrayBuffer>> {
    const { range, buffer } = this.#range(name);
    return decodeFloats(await this.#staging.read(buffer, range.offset, range.size), range.spec);
  }

  [Symbol.dispose](): void {
    for (const buffer of this.#buffers.values()) buffer.destroy();
    this.#staging[Symbol.dispose]();
  }
}
