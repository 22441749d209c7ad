import assert from "node:assert/strict";
import { convElements } from "../../../data/nnunet/planner/conv_elements.ts";
import { planNetwork } from "../../../data/nnunet/planner/plan_network.ts";
import { type PlannerName, PLANNERS } from "../../../data/nnunet/planner/planners.ts";
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
