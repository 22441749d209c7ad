import assert from "node:assert/strict";
import { parsePlans } from "../../../data/nnunet/parse_plans.ts";
import { planExperiment } from "../../../data/nnunet/planner/plan_experiment.ts";
import { configurationOf, type Plans, readPlans, writePlans } from "../../../data/nnunet/plans.ts";

const statistics = {
  mean: 1,
  median: 1,
  std: 1,
  min: 0,
  max: 4,
  percentile_00_5: 0,
  percentile_99_5: 3,
};

const plans: Plans = planExperiment({
  name: "Dataset001_Test",
  channelNames: ["T1"],
  labels: { declared: 2 },
  planner: "resenc-m",
  fingerprint: {
    spacings: [[1, 1, 1], [1, 1, 1]],
    shapes_after_crop: [[40, 50, 36], [41, 50, 36]],
    foreground_intensity_properties_per_channel: { "0": statistics },
    median_relative_size_after_cropping: 1,
  },
});
const fullres = plans.configurations["3d_fullres"];

/** A deep copy with the value at a path of keys replaced, or removed when undefined. */
function changed(path: string, value: unknown): unknown {
  const copy = structuredClone(plans) as unknown;
  const keys = path.split("/");
  let at = copy as Record<string, unknown>;
  for (const key of keys.slice(0, -1)) at = at[key] as Record<string, unknown>;
  if (value === undefined) delete at[keys.at(-1)!];
  else at[keys.at(-1)!] = value;
  return copy;
}

Deno.test("writePlans() and readPlans() keep plans as they are", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/plans.json`;
    await writePlans(path, plans);
    assert.deepEqual(await readPlans(path), plans);
    const own = { ...plans, orientation: "RAS", pretrain_info: { pt_num_in_channels: 1 } };
    await writePlans(path, own);
    assert.deepEqual(await readPlans(path), own);
    await assert.rejects(readPlans(`${folder}/none.json`), /Cannot read .*none\.json: found no such file/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  assert.equal(configurationOf(plans, "3d_fullres"), fullres);
  assert.throws(
    () => configurationOf(plans, "3d_lowres"),
    /found configurations 3d_fullres, wanted 3d_lowres/,
  );
});

Deno.test("parsePlans() completes inherited configurations and leaves out two-dimensional ones", () => {
  const parsed = parsePlans(
    changed("configurations", {
      "2d": { ...fullres, patch_size: [40, 40] },
      "large": { inherits_from: "big", batch_size: 9 },
      "big": { inherits_from: "3d_fullres", batch_size: 4 },
      "3d_fullres": fullres,
    }),
    "plans.json",
  );
  assert.deepEqual(Object.keys(parsed.configurations), ["large", "big", "3d_fullres"]);
  assert.deepEqual(parsed.configurations.large, { ...fullres, batch_size: 9 });
  assert.deepEqual(parsed.configurations.big, { ...fullres, batch_size: 4 });
});

Deno.test("parsePlans() understands networks as nnU-Net 2.0 to 2.3 wrote them", () => {
  const { architecture, ...rest } = fullres;
  const { arch_kwargs: net } = architecture;
  const older = {
    ...rest,
    UNet_class_name: "ResidualEncoderUNet",
    UNet_base_num_features: 32,
    unet_max_num_features: 320,
    n_conv_per_stage_encoder: net.n_blocks_per_stage,
    n_conv_per_stage_decoder: net.n_conv_per_stage_decoder,
    num_pool_per_axis: [3, 3, 3],
    pool_op_kernel_sizes: net.strides,
    conv_kernel_sizes: net.kernel_sizes,
  };
  assert.deepEqual(parsePlans(changed("configurations/3d_fullres", older), "plans.json"), plans);
  const unknown = { ...older, UNet_class_name: "OtherUNet" };
  assert.throws(
    () => parsePlans(changed("configurations/3d_fullres", unknown), "plans.json"),
    /network_class_name: wanted ResidualEncoderUNet or PlainConvUNet/,
  );
});

Deno.test("parsePlans() takes the layers that are computed, however plans name them and their defaults", () => {
  const at = "configurations/3d_fullres/architecture/arch_kwargs";
  const kwargs = fullres.architecture.arch_kwargs;
  const written = {
    ...kwargs,
    norm_op_kwargs: { affine: true },
    dropout_op: "torch.nn.Dropout3d",
    dropout_op_kwargs: { p: 0, inplace: true },
    nonlin: "torch.nn.modules.activation.LeakyReLU",
    nonlin_kwargs: { inplace: true, negative_slope: 0.01 },
  };
  const { configurations } = parsePlans(changed(at, written), "plans.json");
  assert.deepEqual(configurations["3d_fullres"].architecture.arch_kwargs, {
    ...kwargs,
    nonlin: written.nonlin,
    nonlin_kwargs: written.nonlin_kwargs,
  });
  const { dropout_op: _op, dropout_op_kwargs: _settings, nonlin_kwargs: _slope, ...fewer } = kwargs;
  const without = parsePlans(changed(at, fewer), "plans.json");
  assert.deepEqual(without.configurations["3d_fullres"].architecture.arch_kwargs, {
    ...kwargs,
    nonlin_kwargs: {},
  });
});

Deno.test("parsePlans() takes the orientation from a reader that turns volumes", () => {
  const parsed = parsePlans(changed("image_reader_writer", "NibabelIOWithReorient"), "plans.json");
  assert.equal(parsed.orientation, "RAS");
  assert.equal(parsePlans(plans, "plans.json").orientation, undefined);
});

Deno.test("parsePlans() names what it cannot use", () => {
  const at = "configurations/3d_fullres";
  const network = `${at}/architecture/arch_kwargs`;
  const wrong: [unknown, RegExp][] = [
    [[], /found no configurations, wanted a plans\.json of nnU-Net v2: check the path/],
    [{ plans_per_stage: {} }, /found plans of nnU-Net v1/],
    [{ spacings: [] }, /found a fingerprint/],
    [
      changed("configurations", { "2d": { patch_size: [8, 8] } }),
      /found two-dimensional configurations only/,
    ],
    [
      changed("configurations", { a: { inherits_from: "a" } }),
      /found configuration a, which inherits from itself/,
    ],
    [
      changed("configurations", { a: { inherits_from: "b" } }),
      /found no configuration b, from which a inherits/,
    ],
    [changed("transpose_forward", [0, 0, 1]), /transpose_forward: wanted 0, 1 and 2 once each/],
    [changed("transpose_forward", [2, 0, 1]), /wanted transpose_backward to undo transpose_forward/],
    [changed(`${at}/spacing`, [1, 0, 1]), /configurations\.3d_fullres\.spacing\.1/],
    [changed(`${at}/patch_size`, [40, 56, 41]), /wanted a patch_size that the strides divide/],
    [changed(`${at}/normalization_schemes`, ["MyNormalization"]), /normalization_schemes\.0/],
    [changed(`${at}/use_mask_for_norm`, [true, true]), /as many use_mask_for_norm as normalization_schemes/],
    [changed(`${at}/resampling_fn_data`, "resample_torch_fornnunet"), /wanted resample_data_or_seg_to_shape/],
    [changed(`${at}/preprocessor_name`, "Other"), /preprocessor_name: wanted DefaultPreprocessor/],
    [changed(`${at}/data_identifier`, "../x"), /data_identifier: wanted a name without slashes/],
    [changed(`${network}/dropout_op`, "torch.nn.Dropout3d"), /wanted null, or p 0: dropout is not supported/],
    [
      changed(`${network}/norm_op_kwargs`, { eps: 1e-3, affine: true }),
      /norm_op_kwargs\.eps 0\.001, wanted 0\.00001:/,
    ],
    [changed(`${network}/norm_op_kwargs/affine`, false), /norm_op_kwargs\.affine false, wanted true:/],
    [changed(`${network}/nonlin`, "torch.nn.ReLU"), /nonlin "torch\.nn\.ReLU", wanted LeakyReLU:/],
    [changed(`${network}/nonlin_kwargs`, { negative_slope: 0.2 }), /negative_slope 0\.2, wanted 0\.01:/],
    [changed(`${network}/norm_op`, null), /norm_op null, wanted InstanceNorm3d:/],
    [changed(`${network}/nonlin_first`, true), /nonlin_first true, wanted false:/],
    [changed(`${network}/strides`, [[1, 1, 1]]), /strides: found 1 entries, wanted 4 for 4 stages/],
    [changed(`${network}/n_blocks_per_stage`, undefined), /n_blocks_per_stage/],
    [changed("label_manager", "Other"), /label_manager: wanted LabelManager/],
  ];
  for (const [content, message] of wrong) {
    assert.throws(() => parsePlans(content, "plans.json"), message);
  }
});
