/** Common parts of operations that change the intensities of some channels of some samples, by a row of parameters. */
import type { KernelSpec, Lowering, LowerRequest, OpDef, TensorSpec } from "../../spec.ts";
import { type Binding, input, output } from "../../wgsl/module.ts";
import { augmentationLength, CHANNEL_AT, CHANNEL_LENGTH, SAMPLE_LENGTH } from "../augment/parameters.ts";
import { require, requireSingle, sameShape, streamCost, volume } from "../check.ts";
import { lowerElementwise } from "../elementwise.ts";

/** The image for the last kernel, which alone writes it. */
export const IMAGE: Binding = output(0, "y", "f32");
/** The image for kernels before the last one. */
export const IMAGE_READ: Binding = input(0, "y", "f32");
/** The parameters. */
export const PARAMETERS: Binding = input(1, "parameters", "f32");

/** WGSL that declares `at`, the place of a channel's parameters, in kernels that know `n`, `c` and `p.row`. */
export const CHANNEL_PLACE = `let at = n * p.row + ${SAMPLE_LENGTH}u + c * ${CHANNEL_LENGTH}u;`;

/** Parameters of one channel. */
export type ChannelPlace = keyof typeof CHANNEL_AT;

/** Shape rule: image `[N, C, D, H, W]` and parameters `[N, augmentationLength(C)]`, f32. @throws {ShapeError} otherwise */
export function inferIntensity(
  op: string,
  [image, parameters]: readonly TensorSpec[],
): readonly TensorSpec[] {
  const { n, c } = volume(op, "image", image);
  requireSingle(op, "image", image);
  require(
    image.layout.kind === "dense" && sameShape(parameters.shape, [n, augmentationLength(c)]),
    op,
    `image is ${image.layout.kind} [${image.shape}], parameters have shape [${parameters.shape}], wanted [${n}, ${
      augmentationLength(c)
    }]`,
    parameters.shape,
    [n, augmentationLength(c)],
  );
  return [image];
}

/** Lowering by kernels that work in place; where the image lives on, they work on a copy. */
export function lowerInPlace<A>(
  request: LowerRequest<A>,
  name: string,
  scratch: readonly TensorSpec[],
  kernels: readonly KernelSpec[],
): Lowering {
  if (request.inPlace.length > 0) return { variant: "in place", scratch, kernels };
  const copy = lowerElementwise(request, `${name} copy`, ["x"], "x");
  return { variant: "copy", scratch, kernels: [...copy.kernels, ...kernels] };
}

/** What all these operations share; costs are those of a transform that fires. */
export function intensityOp<A>(
  name: string,
  flopPerVoxel: number,
  rest: Pick<OpDef<A>, "lower" | "reference">,
): OpDef<A> {
  return {
    name,
    mayOverwrite: [[0, 0]],
    infer: (inputs) => inferIntensity(name, inputs),
    cost: (inputs, outputs) =>
      streamCost(inputs, outputs, flopPerVoxel * inputs[0].shape.reduce((product, e) => product * e, 1)),
    ...rest,
  };
}

/** One channel of one sample in a reference. */
export interface ReferenceChannel {
  /** The voxels, to be changed in place. */
  readonly voxels: Float64Array;
  /** Parameters of the sample, and of the channel. */
  readonly sample: Float64Array;
  readonly channel: Float64Array;
  /** Number of the channel. */
  readonly c: number;
}

/** A reference that visits every channel of every sample of a copy of the image. */
export function forEachChannel(
  image: Float64Array,
  parameters: Float64Array,
  { shape }: TensorSpec,
  visit: (channel: ReferenceChannel) => void,
): Float64Array {
  const [n, c] = shape, voxels = image.length / (n * c), row = parameters.length / n;
  const y = image.slice();
  for (let i = 0; i < n * c; i++) {
    const sample = parameters.subarray(Math.floor(i / c) * row, (Math.floor(i / c) + 1) * row);
    const start = SAMPLE_LENGTH + i % c * CHANNEL_LENGTH;
    const channel = sample.subarray(start, start + CHANNEL_LENGTH);
    visit({ voxels: y.subarray(i * voxels, (i + 1) * voxels), sample, channel, c: i % c });
  }
  return y;
}
