import { Graph, type Value } from "../kernels/graph/graph.ts";
import { compile } from "../kernels/graph/plan.ts";
import { clampSlices, resizeAxis } from "../kernels/ops/resize/op.ts";
import { type AxisTable, axisTable } from "../kernels/ops/resize/taps.ts";
import type { Gpu } from "../kernels/runtime/device.ts";
import { Executor } from "../kernels/runtime/executor.ts";
import { type Dims3, elementCount, tensor } from "../kernels/spec.ts";
import type { ImageResampler } from "../data/preprocess_array.ts";
import { type ResampleOptions, type ResampleStep, resampleSteps, runSteps } from "../data/resample.ts";
import { sliceRanges } from "../data/slice_ranges.ts";
import { cutSlabs, type SlabCut } from "./resample_slabs.ts";

/** Settings of {@link gpuResampler}. */
export interface GpuResamplerOptions extends ResampleOptions {
  /** Bytes that one tensor of a slab takes at most; 128 MiB, or what the device allows, when left out. */
  readonly slabBytes?: number;
}

/** A step that multiplies or compares, and the table that it reads. */
type DeviceStep =
  | { readonly kind: "resize"; readonly axis: 0 | 1 | 2; readonly table: AxisTable }
  | { readonly kind: "clamp"; readonly axis: 0 | 1 | 2 | null; readonly slices: number };

/**
 * Resampling of images on a GPU, for `PreprocessOptions.resampler`: the steps of `resampleImage`, sums in float32.
 *
 * A volume is cut along D into slabs that fit the device; steps of order 0, mere copies, are left to the processor. Results agree with
 * the processor's to 5e-6 of the image's largest absolute value: up to 32 products an axis are summed in float32, whose rounding
 * (6e-8) adds up to about 1e-6 in three axes.
 *
 * Calls share the device one after the other; each waits for the GPU, and in Deno so does its thread.
 *
 * @throws {EmptyShapeError} (rejects) if a new size is not a positive integer
 * @throws {LimitError} (rejects) when single planes exceed the device
 * @throws {DeviceError} (rejects) when memory runs out or the device fails
 */
export function gpuResampler(gpu: Gpu, options: GpuResamplerOptions = {}): ImageResampler {
  let busy: Promise<unknown> = Promise.resolve();
  return (...image) => {
    const result = busy.then(() => resample(gpu, options, ...image));
    busy = result.catch(() => {});
    return result;
  };
}

async function resample(
  gpu: Gpu,
  options: GpuResamplerOptions,
  data: Float32Array,
  shape: Dims3,
  newShape: Dims3,
  spacing: Dims3,
  newSpacing: Dims3,
): Promise<Float32Array> {
  const steps = resampleSteps(shape, newShape, spacing, newSpacing, options);
  if (steps.length === 0) return data;
  const computed = steps.findIndex((step) => step.kind === "resize" && step.order === 0);
  const [onDevice, copies] = computed < 0 ? [steps, []] : [steps.slice(0, computed), steps.slice(computed)];
  const between: [number, number, number] = [...shape];
  for (const step of onDevice) if (step.kind === "resize") between[step.axis] = step.size;
  const voxels = elementCount(shape), newVoxels = elementCount(newShape);
  const output = new Float32Array(data.length / voxels * newVoxels);
  using work = onDevice.length === 0 ? null : await SlabWork.create(gpu, shape, onDevice, options.slabBytes);
  for (let c = 0; c * voxels < data.length; c++) {
    const channel = data.subarray(c * voxels, (c + 1) * voxels);
    const target = output.subarray(c * newVoxels, (c + 1) * newVoxels);
    if (work && copies.length === 0) await work.run(channel, target);
    else {
      const planes = work ? await work.run(channel, new Float32Array(elementCount(between))) : channel;
      target.set(runSteps(planes, between, copies));
    }
  }
  return output;
}

/** The plan of one slab on the device, and the tables of all slabs. */
class SlabWork implements Disposable {
  private constructor(
    private readonly executor: Executor,
    private readonly shape: Dims3,
    private readonly steps: readonly DeviceStep[],
    private readonly cut: SlabCut,
  ) {}

  static async create(
    gpu: Gpu,
    shape: Dims3,
    steps: readonly ResampleStep[],
    slabBytes?: number,
  ): Promise<SlabWork> {
    const size: [number, number, number] = [...shape];
    const device = steps.map((step): DeviceStep => {
      if (step.kind === "clamp") return { ...step, slices: step.axis === null ? 1 : size[step.axis] };
      const table = axisTable(size[step.axis], step.size, step.order);
      size[step.axis] = step.size;
      return { kind: "resize", axis: step.axis, table };
    });
    const depth = device.find((step) => step.kind === "resize" && step.axis === 0);
    const along = depth?.kind === "resize" ? depth.table : null;
    const cut = cutSlabs(shape, steps, along, gpu.facts, slabBytes);
    const { graph, result } = slabGraph(shape, device, cut);
    const plan = compile(graph, { device: gpu.facts, phases: { resample: [result] } });
    return new SlabWork(await Executor.create(gpu, plan), shape, device, cut);
  }

  /** Runs the steps on one channel, slab by slab. @returns `output` */
  async run(channel: Float32Array, output: Float32Array): Promise<Float32Array> {
    const plane = this.shape[1] * this.shape[2];
    const ranges = this.steps.map((step) =>
      step.kind === "clamp" ? sliceRanges(channel, this.shape, step.axis) : null
    );
    for (const slab of this.cut.slabs) {
      const image = channel.subarray(slab.from * plane, (slab.from + this.cut.planesIn) * plane);
      this.executor.write("image", ownMemory(image));
      this.#writeTables(slab, ranges);
      this.executor.run("resample");
      const resized = await this.executor.read("resized");
      output.set(resized, slab.to * (resized.length / this.cut.planesOut));
    }
    return output;
  }

  #writeTables(
    { to, from }: SlabCut["slabs"][number],
    ranges: readonly (Float32Array<ArrayBuffer> | null)[],
  ) {
    const { planesIn, planesOut } = this.cut;
    this.steps.forEach((step, i) => {
      if (step.kind === "clamp") {
        const all = ranges[i]!;
        this.executor.write(
          `ranges ${i}`,
          step.axis === 0 ? all.slice(2 * from, 2 * (from + planesIn)) : all,
        );
        return;
      }
      const { first, weights, taps } = step.table;
      const sliced = step.axis === 0;
      const firsts = sliced ? first.slice(to, to + planesOut).map((at) => at - from) : first;
      this.executor.write(`first ${i}`, firsts);
      this.executor.write(
        `weights ${i}`,
        sliced ? weights.slice(to * taps, (to + planesOut) * taps) : weights,
      );
    });
  }

  [Symbol.dispose](): void {
    this.executor[Symbol.dispose]();
  }
}

/** All steps on the planes of one slab. */
function slabGraph(
  shape: Dims3,
  steps: readonly DeviceStep[],
  { planesIn, planesOut }: SlabCut,
): { graph: Graph; result: Value } {
  const graph = new Graph();
  let value = graph.input("image", tensor([1, 1, planesIn, shape[1], shape[2]]));
  steps.forEach((step, i) => {
    if (step.kind === "clamp") {
      const ranges = graph.input(`ranges ${i}`, tensor([step.axis === 0 ? planesIn : step.slices, 2]));
      [value] = graph.apply(clampSlices, [value, ranges], { axis: step.axis });
      return;
    }
    const size = step.axis === 0 ? planesOut : step.table.first.length;
    const first = graph.input(`first ${i}`, tensor([size], "i32"));
    const weights = graph.input(`weights ${i}`, tensor([size, step.table.taps]));
    [value] = graph.apply(resizeAxis, [value, first, weights], { axis: step.axis });
  });
  graph.output("resized", value);
  return { graph, result: value };
}

/** Voxels in memory of this thread alone, which is what a GPU's queue takes. */
function ownMemory(voxels: Float32Array): Float32Array<ArrayBuffer> {
  return voxels.buffer instanceof ArrayBuffer
    ? voxels as Float32Array<ArrayBuffer>
    : new Float32Array(voxels);
}
