import assert from "node:assert/strict";
import { readPlans, writePlans } from "../../../data/nnunet/plans.ts";
import { adaptationPlan } from "../../../train/adaptation_plan.ts";
import { NETWORK_PRESETS } from "../../../model/config.ts";
import { networkFromPlan } from "../../../train/finetune/network_from_plan.ts";
import {
  adaptPlans,
  type PlanMode,
  type PlanModeOptions,
  type PretrainedCheckpoint,
  readPretrained,
} from "../../../train/finetune/plan_modes.ts";
import { withFolder } from "../../support/nifti_bytes.ts";
import { pretrainPlan } from "../tiny_run.ts";
import { planOfNetwork } from "./plan_of_network.ts";
import { pretrainedTensors, tinyNetwork, writeCheckpoint } from "./pretrained_checkpoint.ts";

const network = tinyNetwork();
const dynamic = planOfNetwork(NETWORK_PRESETS["resenc-l"], [64, 192, 160]);

function checkpointOf(changes: Record<string, unknown> = {}): PretrainedCheckpoint {
  const data = { ...pretrainPlan([32, 32, 32]), ...changes };
  return {
    path: "runs/first/checkpoints/final.safetensors",
    name: "first",
    adaptationPlan: adaptationPlan(network, [32, 32, 32], data),
  };
}

function adapted(mode: PlanMode, options: Partial<PlanModeOptions> = {}) {
  const plans = adaptPlans(dynamic, mode, { checkpoint: checkpointOf(), ...options });
  return { plans, full: plans.configurations["3d_fullres"] };
}

Deno.test("adaptPlans() like the pre-training takes spacing, patch, architecture and axes of the checkpoint", () => {
  const { plans, full } = adapted("like-pretrained");
  assert.deepEqual([full.spacing, full.patch_size, full.batch_size], [[1, 1, 1], [32, 32, 32], 2]);
  assert.deepEqual(full.normalization_schemes, ["ZScoreNormalization", "ZScoreNormalization"]);
  assert.deepEqual(full.use_mask_for_norm, [false, true], "kept from the data set's plan");
  assert.deepEqual(networkFromPlan(full, 1, 1, false), { ...network, init: "he" });
  assert.equal(full.data_identifier, "Spacing__1.00_1.00_1.00___Norm__Z_Z___Axes__RAS");
  assert.equal(plans.plans_name, `ptPlans__first____${full.data_identifier}`);
  assert.deepEqual(Object.keys(plans.configurations), ["3d_fullres"]);
  assert.deepEqual([plans.orientation, plans.transpose_forward, plans.transpose_backward], [
    "RAS",
    [0, 1, 2],
    [0, 1, 2],
  ]);
  assert.deepEqual(plans.original_median_spacing_after_transp, [0.5, 0.5, 2]);
  assert.deepEqual(full.median_image_size_in_voxels, [100, 110, 120]);
  assert.deepEqual(plans.pretrain_info, {
    checkpoint_path: "runs/first/checkpoints/final.safetensors",
    checkpoint_name: "first",
    key_to_encoder: "encoder.stages",
    key_to_stem: "encoder.stem",
    keys_to_in_proj: ["encoder.stem.convs.0.conv", "encoder.stem.convs.0.all_modules.0"],
    key_to_lpe: null,
    pt_num_in_channels: 1,
    pt_used_patchsize: [32, 32, 32],
    pt_recommended_downstream_patchsize: [32, 32, 32],
    citations: [
      "Wald et al., Revisiting MAE pre-training for 3D medical image segmentation, arXiv:2410.23132",
    ],
  });
});

Deno.test("adaptPlans() of a checkpoint that kept the axes of files keeps those of the data set", () => {
  const { plans, full } = adapted("like-pretrained", { checkpoint: checkpointOf({ orientation: null }) });
  assert.deepEqual([plans.orientation, plans.transpose_forward], [null, [2, 0, 1]]);
  assert.equal(full.data_identifier, "Spacing__1.00_1.00_1.00___Norm__Z_Z");
  assert.equal(plans.plans_name, "ptPlans__first____Spacing__1.00_1.00_1.00___Norm__Z_Z");
});

Deno.test("adaptPlans() takes the spacing from where the mode says", () => {
  assert.deepEqual(adapted("fixed", { spacing: [1.5, 1, 0.75] }).full.spacing, [1.5, 1, 0.75]);
  const free = adapted("no-resample");
  assert.equal(free.full.spacing, null);
  assert.equal(free.full.data_identifier, "Spacing__None_None_None___Norm__Z_Z___Axes__RAS");
  const flat = adapted("dynamic");
  assert.deepEqual(flat.full.spacing, [2, 0.5, 0.5]);
  assert.deepEqual(
    [flat.plans.orientation, flat.plans.transpose_forward],
    [null, [2, 0, 1]],
    "axes of that spacing",
  );
  const cubes = { ...dynamic, configurations: { "3d_fullres": { ...dynamic.configurations["3d_fullres"] } } };
  Object.assign(cubes.configurations["3d_fullres"], { spacing: [0.8, 0.8, 0.8] });
  const cubic = adaptPlans(cubes, "dynamic", { checkpoint: checkpointOf() });
  assert.equal(cubic.orientation, "RAS");
});

Deno.test("adapted plans can be written and read as plans.json", () =>
  withFolder(async (folder) => {
    for (const mode of ["dynamic", "like-pretrained", "no-resample"] as const) {
      const { plans } = adapted(mode);
      await writePlans(`${folder}/plans.json`, plans);
      assert.deepEqual(await readPlans(`${folder}/plans.json`), plans);
    }
  }));

Deno.test("adaptPlans() knows the published network by name and refuses others in one line", () => {
  const named = (arch_class_name: string): PretrainedCheckpoint => {
    const checkpoint = checkpointOf();
    return {
      ...checkpoint,
      adaptationPlan: { ...checkpoint.adaptationPlan, architecture_plans: { arch_class_name } },
    };
  };
  const { full } = adapted("like-pretrained", { checkpoint: named("ResEncL") });
  assert.deepEqual(networkFromPlan(full, 1, 1, false), { ...NETWORK_PRESETS["resenc-l"], init: "he" });
  assert.throws(() => adapted("like-pretrained", { checkpoint: named("PrimusM") }), {
    name: "TransferError",
    message:
      "Cannot transfer weights from runs/first/checkpoints/final.safetensors: found architecture PrimusM: use a checkpoint of a ResidualEncoderUNet or PlainConvUNet",
  });
});

Deno.test("adaptPlans() refuses mode fixed without spacing, and plans without 3d_fullres", () => {
  for (const spacing of [undefined, [1, 0, 1], [1, NaN, 1]] as const) {
    assert.throws(
      () => adapted("fixed", spacing ? { spacing: [...spacing] as [number, number, number] } : {}),
      {
        name: "PlanModeError",
        message:
          /^Cannot make plans of mode fixed: found spacing .*, wanted three positive lengths in mm: give/,
      },
    );
  }
  const { "3d_fullres": only } = dynamic.configurations;
  const lowres = { ...dynamic, configurations: { "3d_lowres": only } };
  assert.throws(() => adaptPlans(lowres, "dynamic", { checkpoint: checkpointOf() }), {
    name: "PlanModeError",
    message: /has configurations 3d_lowres, wanted 3d_fullres: plan the data set again$/,
  });
});

Deno.test("readPretrained() names a checkpoint after its run folder, or its file", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/second/checkpoints`, { recursive: true });
    for (const [file, name] of [["second/checkpoints/best", "second"], ["mine", "mine"]]) {
      const path = `${folder}/${file}.safetensors`;
      await writeCheckpoint(path, pretrainedTensors(network).tensors, network);
      const checkpoint = await readPretrained(path);
      assert.deepEqual([checkpoint.path, checkpoint.name], [path, name]);
      assert.equal(checkpoint.adaptationPlan.pretrain_plan.orientation, "RAS");
    }
  }));
