import assert from "node:assert/strict";
import type { Plans } from "../../../data/nnunet/plans.ts";
import { convElements } from "../../../data/nnunet/planner/conv_elements.ts";
import { planExperiment } from "../../../data/nnunet/planner/plan_experiment.ts";
import { planNetwork } from "../../../data/nnunet/planner/plan_network.ts";
import { type PlannerName, PLANNERS } from "../../../data/nnunet/planner/planners.ts";
import { targetGrid } from "../../../data/nnunet/planner/target_spacing.ts";
import { type Dims3, voxelCount } from "../../../data/volume.ts";

const plan = (
  spacing: Dims3,
  medianShape: Dims3,
  declaredLabels: number,
  name: PlannerName,
  gpuMemoryGb = PLANNERS[name].nominalGb,
) =>
  planNetwork({
    spacing,
    medianShape,
    declaredLabels,
    datasetVoxels: 100 * voxelCount(medianShape),
    planner: PLANNERS[name],
    gpuMemoryGb,
  });

const BRAIN = [[1, 1, 1], [140, 171, 136], 2] as const;
const LARGE = [[1, 1, 1], [220, 256, 180], 2] as const;
const THICK = [[3, .9375, .9375], [52, 220, 200], 2] as const;
const TOF = [[.5, .43, .43], [140, 512, 512], 2] as const;
const HIPPOCAMPUS = [[1, 1, 1], [36, 50, 35], 3] as const;

Deno.test("planNetwork() plans patch, batch and cost of nnU-Net's planners", () => {
  const vectors: [readonly [Dims3, Dims3, number], PlannerName, Dims3, number, number][] = [
    [BRAIN, "plain", [128, 160, 112], 2, 492997120],
    [BRAIN, "resenc-m", [128, 160, 112], 2, 607676160],
    [BRAIN, "resenc-l", [160, 192, 160], 3, 1301539200],
    [BRAIN, "resenc-xl", [160, 192, 160], 6, 1301539200],
    [LARGE, "resenc-l", [192, 256, 160], 2, 2082462720],
    [LARGE, "resenc-xl", [224, 256, 192], 2, 2915447808],
    [THICK, "resenc-m", [48, 192, 192], 2, 650903040],
    [THICK, "resenc-l", [56, 224, 224], 4, 1033609920],
    [TOF, "resenc-l", [80, 320, 256], 2, 1736889600],
    [HIPPOCAMPUS, "resenc-m", [40, 56, 40], 58, 23609600],
  ];
  for (const [[spacing, shape, labels], planner, patch, batch, cost] of vectors) {
    const found = plan(spacing, shape, labels, planner);
    assert.deepEqual(
      { patch: found.patch, batch: found.batch, cost: found.cost },
      { patch, batch, cost },
      `${planner} for ${shape}`,
    );
  }
});

Deno.test("planNetwork() plans strides and kernels by the spacing", () => {
  const thick = plan(...THICK, "resenc-m");
  assert.deepEqual(thick.strides.map((stride) => stride.join("")), [
    "111",
    "122",
    "222",
    "222",
    "222",
    "122",
  ]);
  assert.deepEqual(thick.kernels.map((kernel) => kernel.join("")), [
    "133",
    "333",
    "333",
    "333",
    "333",
    "333",
  ]);
  assert.deepEqual(thick.features, [32, 64, 128, 256, 320, 320]);
  assert.deepEqual(thick.encoder, [1, 3, 4, 6, 6, 6]);
  assert.deepEqual(thick.decoder, [1, 1, 1, 1, 1]);
  assert.equal(plan(...TOF, "resenc-l").strides.length, 7);
  assert.equal(plan(...HIPPOCAMPUS, "resenc-m").strides.length, 4);
});

Deno.test("planNetwork() plans for the memory that is asked for", () => {
  const large = plan(...BRAIN, "resenc-m", 24), small = plan(...BRAIN, "resenc-l", 8);
  assert.deepEqual([large.patch, large.batch], [[160, 192, 160], 3]); // 680e6 * 3 is near the 2.1e9 of ResEnc-L
  assert.ok(small.cost <= 700e6 && voxelCount(small.patch) < voxelCount(large.patch));
  assert.equal(plan(...BRAIN, "resenc-m", 1e-6).batch, 2); // ends, however little there is
});

Deno.test("convElements() counts deep supervision when asked", () => {
  const network = {
    kind: "residual",
    features: [32, 64, 128, 256, 320, 320],
    strides: [[1, 1, 1], ...new Array<Dims3>(5).fill([2, 2, 2])],
    encoder: [1, 3, 4, 6, 6, 6],
    decoder: [1, 1, 1, 1, 1],
    outputs: 3,
  } as const;
  assert.equal(convElements({ ...network, deepSupervision: true }, [128, 128, 128]), 558319104);
});

const experiment = (
  changes: Partial<Parameters<typeof planExperiment>[0]> & {
    spacing: Dims3;
    shape: Dims3;
    relative?: number;
  },
): Plans => {
  const { spacing, shape, relative = 1, ...rest } = changes;
  return planExperiment({
    name: "Dataset001_Test",
    channelNames: ["CT"],
    labels: { declared: 2 },
    planner: "plain",
    fingerprint: {
      spacings: new Array<Dims3>(100).fill(spacing),
      shapes_after_crop: new Array<Dims3>(100).fill(shape),
      foreground_intensity_properties_per_channel: {},
      median_relative_size_after_cropping: relative,
    },
    ...rest,
  });
};

Deno.test("planExperiment() plans 3d_lowres where the patch sees less than a quarter of the median case", () => {
  // figures of a published plans.json (nnU-Net 2, 73 labels, whole-body CT)
  const spacing = [1.5, 0.9765625, 0.9765625] as const;
  const plans = experiment({ spacing, shape: [1323, 512, 512], labels: { declared: 73 } });
  const { "3d_fullres": full, "3d_lowres": low, "3d_cascade_fullres": cascade } = plans.configurations;
  assert.deepEqual(full.patch_size, [192, 96, 96]);
  assert.deepEqual(low.patch_size, [192, 96, 96]);
  assert.deepEqual(low.median_image_size_in_voxels, [360, 139, 139]);
  assert.deepEqual(low.spacing, [5.507178410171863, 3.5854026107889747, 3.5854026107889747]);
  assert.deepEqual([full.batch_dice, low.batch_dice, low.batch_size], [true, false, 2]);
  assert.deepEqual([low.next_stage, cascade.previous_stage], ["3d_cascade_fullres", "3d_lowres"]);
  assert.deepEqual(low.architecture.arch_kwargs.strides.at(-1), [2, 1, 1]);
});

Deno.test("planExperiment() drops 3d_lowres unless it halves the voxels", () => {
  const plans = experiment({ spacing: [1, 1, 1], shape: [240, 240, 240] });
  assert.deepEqual(Object.keys(plans.configurations), ["3d_fullres"]);
  assert.equal(plans.configurations["3d_fullres"].batch_dice, false);
});

Deno.test("planExperiment() refuses single slices and volumes that no network can halve", () => {
  assert.throws(
    () => experiment({ spacing: [999, 1, 1], shape: [1, 512, 512] }),
    /Cannot plan Dataset001_Test: found a median case of 1x512x512 voxels, .*: two-dimensional data/,
  );
  assert.throws(
    () => experiment({ spacing: [1, 1, 1], shape: [7, 7, 7] }),
    /7x7x7 voxels, .*: choose larger images/,
  );
  const { strides } =
    experiment({ spacing: [1, 1, 1], shape: [4, 8, 8] }).configurations["3d_fullres"].architecture
      .arch_kwargs;
  assert.deepEqual(strides, [[1, 1, 1], [1, 2, 2]]);
});

Deno.test("planExperiment() transposes the coarsest axis to the front and names memory, reader and masks", () => {
  const plans = experiment({
    spacing: [0.8125, 0.8125, 2.5],
    shape: [512, 512, 95],
    labels: { declared: 3 },
    planner: "resenc-l",
    gpuMemoryGb: 12,
    channelNames: ["CT", "T1", "noNorm", "RESCALE_to_0_1", "rgb_to_0_1"],
    relative: 0.7,
    reader: "NibabelIOWithReorient",
  });
  const full = plans.configurations["3d_fullres"];
  assert.deepEqual(plans.transpose_forward, [2, 0, 1]);
  assert.deepEqual(plans.transpose_backward, [1, 2, 0]);
  assert.deepEqual(full.spacing, [2.5, 0.8125, 0.8125]);
  assert.deepEqual(plans.original_median_shape_after_transp, [95, 512, 512]);
  assert.deepEqual(full.median_image_size_in_voxels, [95, 512, 512]);
  assert.equal(plans.plans_name, "nnUNetResEncUNetLPlans_12GB");
  assert.equal(plans.orientation, "RAS");
  assert.deepEqual(full.normalization_schemes, [
    "CTNormalization",
    "ZScoreNormalization",
    "NoNormalization",
    "RescaleTo01Normalization",
    "RGBTo01Normalization",
  ]);
  assert.deepEqual(full.use_mask_for_norm, [false, true, false, false, false]);
});

Deno.test("planExperiment() plans the published network of 93 thick CT slices", () => { // MSD pancreas, ResEnc-L
  const plans = experiment({
    spacing: [2.5, 0.8125, 0.8125],
    shape: [95, 512, 512],
    labels: { declared: 3 },
    planner: "resenc-l",
  });
  const { patch_size, batch_size, architecture } = plans.configurations["3d_fullres"];
  assert.deepEqual([patch_size, batch_size], [[56, 320, 256], 2]);
  assert.deepEqual(architecture.arch_kwargs.n_blocks_per_stage, [1, 3, 4, 6, 6, 6, 6]);
  const strides = architecture.arch_kwargs.strides.map((stride) => stride.join(""));
  assert.deepEqual(strides, ["111", "122", "222", "222", "222", "122", "122"]);
});

Deno.test("targetGrid() refines few thick slices to the 10th percentile, but not below the other axes", () => {
  const grid = (thick: readonly number[]) =>
    targetGrid({
      spacings: thick.map((step): Dims3 => [step, 1, 1]),
      shapes_after_crop: thick.map((): Dims3 => [30, 200, 200]),
    });
  const eleven = [2, 3, 5, 5, 5, 5, 5, 5, 5, 5, 5];
  assert.deepEqual(grid(eleven).spacing, [3, 1, 1]);
  assert.deepEqual(grid(eleven.with(0, 0.5).with(1, 0.5)).spacing, [1 + 1e-5, 1, 1]);
  assert.deepEqual(grid([3, 3, 3]).spacing, [3, 1, 1]); // not more than three times the others
  assert.deepEqual(grid([5, 5, 5]).medianShape, [30, 200, 200]);
  const rounded: Dims3 = [0.9999998807907104, 0.9999998807907104, 0.9999999403953552];
  const noisy = targetGrid({ spacings: [rounded], shapes_after_crop: [[178, 135, 129]] });
  assert.deepEqual([noisy.transposeForward, noisy.spacing], [[0, 1, 2], rounded]);
  assert.throws(() => grid([]), /found no case/);
});
