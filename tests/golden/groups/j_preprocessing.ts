import { cropLabels, cropToNonzero, fillHoles, nonzeroMask } from "../../../data/crop.ts";
import {
  type ChannelNormalization,
  intensityStatistics,
  normalizeChannel,
  Z_SCORE,
} from "../../../data/normalize.ts";
import { preprocessArray } from "../../../data/preprocess_array.ts";
import { type Dims3, voxelCount } from "../../../data/volume.ts";
import { eachCase } from "../gpu.ts";
import { type Resampler, resamplers } from "../resamplers.ts";
import type { Checker, GoldenCase, GoldenGroup } from "../support.ts";

type CaseTest = (group: GoldenGroup, golden: GoldenCase, check: Checker) => void | Promise<void>;

const OPS: Readonly<Record<string, CaseTest>> = {
  crop_to_nonzero: cropCase,
  z_score: zScoreCase,
  rescale_to_01: rescaleCase,
  preprocess_chain: chainCase,
};

/** Cropping, normalisation and the whole chain of preprocessing, with resampling on the processor and on the GPU. */
export async function run(group: GoldenGroup, check: Checker): Promise<void> {
  await eachCase(group, check, async (golden) => {
    const test = OPS[golden.op];
    if (!test) throw new Error(`unknown op ${golden.op}`);
    await test(group, golden, check);
  });
}

function floats(group: GoldenGroup, golden: GoldenCase, name: string): { data: Float32Array; shape: Dims3 } {
  const { data, shape } = group.tensor(golden.inputs[name]);
  return {
    data: Float32Array.from(data as ArrayLike<number>, Number),
    shape: shape.slice(-3) as unknown as Dims3,
  };
}

/** Labels of an input; those stored plus one have `_plus1` in their name. */
function labels(group: GoldenGroup, golden: GoldenCase, name: string): Int32Array | undefined {
  const ref = golden.inputs[name];
  if (!ref) return undefined;
  const offset = name.endsWith("_plus1") ? 1 : 0;
  return Int32Array.from(group.tensor(ref).data as ArrayLike<number>, (value) => Number(value) - offset);
}

const plusOne = (values: Int32Array): Int32Array => values.map((value) => value + 1);

function cropCase(group: GoldenGroup, golden: GoldenCase, check: Checker): void {
  const { data, shape } = floats(group, golden, "data");
  const { attributes, outputs } = golden;
  const crop = cropToNonzero(data, shape);
  if (!crop) return check.miss(golden.id, "cropped", "no non-zero voxel");
  const box = crop.box.start.map((start, axis) => [start, crop.box.stop[axis]]);
  check.equal(golden.id, "bbox", box, attributes.bbox);
  check.equal(golden.id, "cropped_shape", crop.shape, attributes.cropped_shape);
  const count = (mask: Uint8Array) => mask.reduce((sum, value) => sum + value, 0);
  const mask = nonzeroMask(data, shape);
  check.equal(golden.id, "nonzero_voxels", count(mask), attributes.nonzero_voxels);
  check.equal(golden.id, "filled_voxels", count(fillHoles(mask, shape)), attributes.filled_voxels);
  check.close(golden.id, "cropped", crop.data, outputs.cropped);
  const mark = (label: Int32Array) => cropLabels(label, shape, crop);
  check.close(
    golden.id,
    "mask_label_plus1",
    plusOne(mark(new Int32Array(voxelCount(shape)))),
    outputs.mask_label_plus1,
  );
  const label = labels(group, golden, "label");
  if (label) {
    check.close(golden.id, "cropped_label_plus1", plusOne(mark(label)), outputs.cropped_label_plus1);
  }
}

function zScoreCase(group: GoldenGroup, golden: GoldenCase, check: Checker): void {
  const { data } = floats(group, golden, "cropped");
  const { use_mask_for_norm: useMask, mean_f64: mean, std_f64: std } = golden.attributes;
  const inside = useMask ? labels(group, golden, "mask_label_plus1") : undefined;
  const statistics = intensityStatistics(data, inside);
  check.closeNumber(golden.id, "mean", statistics.mean, mean, { rtol: 1e-10 });
  check.closeNumber(golden.id, "std", statistics.std, std, { rtol: 1e-10 });
  normalizeChannel(data, { ...Z_SCORE, useMask: useMask as boolean }, inside);
  check.close(golden.id, "normalised", data, golden.outputs.normalised);
}

function rescaleCase(group: GoldenGroup, golden: GoldenCase, check: Checker): void {
  const { data } = floats(group, golden, "cropped");
  normalizeChannel(data, { scheme: "RescaleTo01Normalization" });
  check.close(golden.id, "normalised", data, golden.outputs.normalised);
}

async function chainCase(group: GoldenGroup, golden: GoldenCase, check: Checker): Promise<void> {
  for (const resampler of await resamplers()) await chainWith(resampler, group, golden, check);
}

async function chainWith(
  { where, resample }: Resampler,
  group: GoldenGroup,
  golden: GoldenCase,
  check: Checker,
): Promise<void> {
  const { data, shape } = floats(group, golden, "data");
  const { attributes, outputs } = golden;
  const label = labels(group, golden, "label");
  const scheme: ChannelNormalization = { ...Z_SCORE, useMask: attributes.use_mask_for_norm as boolean };
  const result = await preprocessArray(data, shape, {
    spacing: attributes.spacing as Dims3,
    targetSpacing: attributes.target_spacing as Dims3 | null,
    transpose: attributes.transpose_forward as Dims3,
    normalization: new Array(data.length / voxelCount(shape)).fill(scheme),
    resampler: resample,
    ...(label ? { masks: { anatomy: label } } : {}),
  });
  if (!result) return check.miss(golden.id, `data_out${where}`, "no non-zero voxel");
  const box = result.box.start.map((start, axis) => [start, result.box.stop[axis]]);
  check.equal(golden.id, "bbox", box, attributes.bbox);
  check.equal(golden.id, "new_shape", result.shape, attributes.new_shape);
  check.equal(golden.id, "voxels", result.data.length % voxelCount(result.shape), 0);
  check.close(golden.id, `data_out${where}`, result.data, outputs.data_out);
  if (outputs.label_out_plus1) {
    check.close(
      golden.id,
      `label_out_plus1${where}`,
      plusOne(result.masks!.anatomy!),
      outputs.label_out_plus1,
    );
  }
}
