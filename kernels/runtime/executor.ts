/** Runs a plan: buffers, pipelines and bind groups are made once, then every step re-encodes the same dispatches. */
import { DeviceError, PlanError } from "../errors.ts";
import type { BufferRange, Cost, Dispatch, Plan } from "../spec.ts";
import { type Gpu, guarded } from "./device.ts";
import { ParameterStore } from "./parameters.ts";
import { buildPipelines } from "./pipelines.ts";
import { fillPoison, poisonSchedule } from "./poison.ts";
import { type ProfileClock, timeDispatches } from "./profile.ts";
import { decodeFloats, encodeFloats, isFloat, StagingRing, writeBytes } from "./transfer.ts";

/** Offsets of uniform blocks are multiples of this: the largest alignment that WebGPU may ask for. */
const UNIFORM_ALIGNMENT = 256;

/** Bytes between the uniform blocks of a plan's dispatches: the largest block, aligned. */
export function uniformStride(plan: Plan): number {
  const blocks = Object.values(plan.phases).flat().map(({ params }) => params.length);
  return Math.ceil(Math.max(1, ...blocks) / UNIFORM_ALIGNMENT) * UNIFORM_ALIGNMENT;
}

interface Recorded {
  readonly dispatch: Dispatch;
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
}

/** Time of one dispatch in a profile. */
export interface DispatchTime {
  readonly node: string;
  readonly label: string;
  readonly op: string;
  readonly ms: number;
  readonly cost: Cost;
}

/** Options of {@link Executor.create}. */
export interface ExecutorOptions {
  /** Store of parameters and states; the executor makes and owns one when absent. */
  readonly parameters?: ParameterStore;
  /** Inputs of the plan that are outputs of another executor of the device: they need no copy. It must live longer. */
  readonly shared?: {
    readonly executor: Executor;
    /** Name of the other's output by name of the plan's input. */
    readonly outputs: Readonly<Record<string, string>>;
  };
  /** Fill memory with NaN before its first write and after its last use: late or early reads become visible. */
  readonly poison?: boolean;
}

/** A plan on a device. */
export class Executor implements Disposable {
  #staging: StagingRing;
  private constructor(
    readonly gpu: Gpu,
    readonly plan: Plan,
    readonly parameters: ParameterStore,
    readonly buffers: readonly GPUBuffer[],
    private readonly owned: readonly GPUBuffer[],
    private readonly ownParameters: ParameterStore | null,
    private readonly phases: ReadonlyMap<string, readonly Recorded[]>,
    private readonly poison: ReadonlyMap<string, ReturnType<typeof poisonSchedule>> | null,
  ) {
    this.#staging = new StagingRing(gpu);
  }

  /**
   * Allocates, compiles and binds.
   *
   * @throws {DeviceError} when memory runs out or WGSL does not compile
   */
  static async create(gpu: Gpu, plan: Plan, options: ExecutorOptions = {}): Promise<Executor> {
    const owned: GPUBuffer[] = [];
    const store = options.parameters ??
      await guarded(gpu, "allocate the parameters", () => ParameterStore.create(gpu, plan));
    try {
      return await guarded(gpu, "allocate the plan", async () => {
        const buffers = plan.buffers.map((buffer) => {
          const shared = sharedInput(buffer, options.shared) ?? store.bufferFor(buffer);
          if (shared) return shared;
          const created = gpu.device.createBuffer({
            label: buffer.label,
            size: buffer.size,
            usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
          });
          owned.push(created);
          return created;
        });
        const pipelines = await buildPipelines(gpu, plan.sources);
        const stride = uniformStride(plan);
        const uniforms = uploadParams(gpu.device, Object.values(plan.phases).flat(), stride);
        owned.push(uniforms);
        const phases = new Map<string, Recorded[]>();
        let number = 0;
        for (const [name, dispatches] of Object.entries(plan.phases)) {
          phases.set(
            name,
            dispatches.map((dispatch) => {
              const pipeline = pipelines[dispatch.source];
              const entries: GPUBindGroupEntry[] = dispatch.bindings.map((range, binding) => ({
                binding,
                resource: { buffer: buffers[range.buffer], offset: range.offset, size: range.size },
              }));
              entries.push({
                binding: entries.length,
                resource: {
                  buffer: uniforms,
                  offset: number++ * stride,
                  size: dispatch.params.length,
                },
              });
              const group = gpu.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
              return { dispatch, pipeline, group };
            }),
          );
        }
        const poison = options.poison
          ? new Map(Object.keys(plan.phases).map((name) => [name, poisonSchedule(plan, name)]))
          : null;
        return new Executor(
          gpu,
          plan,
          store,
          buffers,
          owned,
          options.parameters ? null : store,
          phases,
          poison,
        );
      });
    } catch (error) {
      for (const buffer of owned) buffer.destroy();
      if (!options.parameters) store[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Bytes of device memory that the executor holds now: the plan's buffers, uniform blocks and staging. Those of a shared
   * store of parameters count too.
   */
  get allocatedBytes(): number {
    const owned = this.owned.reduce((sum, buffer) => sum + buffer.size, 0);
    return owned + this.#staging.allocatedBytes + this.parameters.allocatedBytes;
  }

  #phase(phase: string): readonly Recorded[] {
    const recorded = this.phases.get(phase);
    if (!recorded) {
      throw new PlanError(`Cannot run phase ${phase}: the plan has ${[...this.phases.keys()].join(", ")}`);
    }
    return recorded;
  }

  /** Encodes and submits a phase; returns at once. @throws {PlanError} when the plan has no such phase */
  run(phase: string): void {
    const recorded = this.#phase(phase);
    if (this.poison) return this.#runPoisoned(phase, recorded);
    const encoder = this.gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const { dispatch, pipeline, group } of recorded) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...dispatch.workgroups);
    }
    pass.end();
    this.gpu.device.queue.submit([encoder.finish()]);
  }

  #runPoisoned(phase: string, recorded: readonly Recorded[]): void {
    const schedule = this.poison!.get(phase)!;
    recorded.forEach(({ dispatch, pipeline, group }, i) => {
      for (const buffer of schedule.before[i]) fillPoison(this.gpu.device, this.buffers[buffer]);
      const encoder = this.gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...dispatch.workgroups);
      pass.end();
      this.gpu.device.queue.submit([encoder.finish()]);
      for (const buffer of schedule.after[i]) fillPoison(this.gpu.device, this.buffers[buffer]);
    });
  }

  /** Sets every accumulator (role gradient) to zero. */
  clearAccumulators(): void {
    const encoder = this.gpu.device.createCommandEncoder();
    this.plan.buffers.forEach((buffer, i) => {
      if (buffer.role === "gradient") encoder.clearBuffer(this.buffers[i]);
    });
    this.gpu.device.queue.submit([encoder.finish()]);
  }

  /**
   * Writes an input before the next `run`: its bytes, or its elements as f32 when it is f16.
   * @throws {PlanError} when the name is unknown or the length differs
   */
  write(name: string, data: ArrayBufferView<ArrayBuffer>): void {
    const range = this.plan.named[name];
    if (!range) throw new PlanError(`Cannot write ${name}: the plan has no such tensor`);
    const encoded = range.spec.dtype === "f16" && data instanceof Float32Array
      ? encodeFloats(data as Float32Array<ArrayBuffer>, range.spec)
      : data;
    if (encoded.byteLength !== range.size) {
      throw new PlanError(
        `Cannot write ${name}: found ${encoded.byteLength} bytes, wanted ${range.size} [${range.spec.shape}]`,
      );
    }
    writeBytes(this.gpu.device, this.buffers[range.buffer], range.offset, encoded);
  }

  /** Reads a named tensor of f32 or f16 back as f32. Stalls. @throws {PlanError} when it is unknown or of another type */
  async read(name: string): Promise<Float32Array<ArrayBuffer>> {
    const range = this.plan.named[name];
    if (!range) {
      throw new PlanError(
        `Cannot read ${name}: the plan has no such named tensor; declare it with graph.output`,
      );
    }
    if (!isFloat(range.spec)) {
      throw new PlanError(`Cannot read ${name}: it is ${range.spec.dtype}, wanted f32 or f16`);
    }
    return decodeFloats(
      await this.#staging.read(this.buffers[range.buffer], range.offset, range.size),
      range.spec,
    );
  }

  /**
   * Reads the first bytes of a named tensor of any type back. Stalls.
   * @param size bytes, a multiple of 4; all when left out
   * @throws {PlanError} when it is unknown or shorter
   */
  async readBytes(name: string, size?: number): Promise<ArrayBuffer> {
    const { buffer, offset, size: whole } = this.#part(name, 0, size);
    return await this.#staging.read(this.buffers[buffer], offset, whole);
  }

  /**
   * Sets bytes of a named tensor to zero, after everything that was submitted before.
   * @param offset bytes, a multiple of 4, as `size`
   * @throws {PlanError} when it is unknown or shorter
   */
  clear(name: string, offset: number, size: number): void {
    const part = this.#part(name, offset, size);
    const encoder = this.gpu.device.createCommandEncoder();
    encoder.clearBuffer(this.buffers[part.buffer], part.offset, part.size);
    this.gpu.device.queue.submit([encoder.finish()]);
  }

  #part(name: string, offset: number, size?: number): BufferRange {
    const range = this.plan.named[name];
    const wanted = size ?? (range?.size ?? 0) - offset;
    if (!range || offset + wanted > range.size) {
      throw new PlanError(
        `Cannot reach bytes ${offset} to ${offset + wanted} of ${name}: the plan has ${
          range ? `${range.size} bytes` : "no such tensor"
        }`,
      );
    }
    return { buffer: range.buffer, offset: range.offset + offset, size: wanted };
  }

  /** Waits until all submitted work is done. Stalls. @throws {DeviceError} when the device failed */
  async finish(): Promise<void> {
    const failure = await Promise.race([
      this.gpu.device.queue.onSubmittedWorkDone().then(() => null),
      this.gpu.failed,
    ]);
    if (failure instanceof DeviceError) throw failure;
  }

  /**
   * Runs a phase once and times every dispatch. Stalls.
   *
   * @param clock `gpu`: timestamps; `host`: each dispatch submitted alone, for devices without timestamps
   * @throws {DeviceError} when the clock is `gpu` and the device has no timestamp-query
   */
  async profile(phase: string, clock: ProfileClock = "gpu"): Promise<readonly DispatchTime[]> {
    return await timeDispatches(this.gpu, this.#phase(phase), clock);
  }

  [Symbol.dispose](): void {
    for (const buffer of this.owned) buffer.destroy();
    this.#staging[Symbol.dispose]();
    this.ownParameters?.[Symbol.dispose]();
  }
}

/** The buffer that another executor lends for an input. @throws {PlanError} when it has no such output, or one of another size */
function sharedInput(
  { role, label, size }: Plan["buffers"][number],
  shared: ExecutorOptions["shared"],
): GPUBuffer | undefined {
  const name = role === "input" ? shared?.outputs[label] : undefined;
  if (!shared || name === undefined) return undefined;
  const range = shared.executor.plan.named[name];
  if (range?.size !== size) {
    throw new PlanError(
      `Cannot share input ${label}: the other executor has ${
        range ? `${range.size} bytes` : "no tensor"
      } as ${name}, the plan wants ${size} bytes`,
    );
  }
  return shared.executor.buffers[range.buffer];
}

/** One buffer with the uniform block of every dispatch, `stride` bytes apart. */
function uploadParams(device: GPUDevice, dispatches: readonly Dispatch[], stride: number): GPUBuffer {
  const packed = new Uint8Array(Math.max(1, dispatches.length) * stride);
  dispatches.forEach(({ params }, i) => packed.set(params, i * stride));
  const buffer = device.createBuffer({
    label: "params",
    size: packed.length,
    usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
  });
  device.queue.writeBuffer(buffer, 0, packed);
  return buffer;
}
