import assert from "node:assert/strict";
import { prepareDataset } from "../../data/prepare/prepare_dataset.ts";
import { openStore } from "../../data/store.ts";
import { NETWORK_PRESETS } from "../../model/config.ts";
import {
  adaptationPlan,
  parseAdaptationPlan,
  readPretrainPlan,
  usedConfiguration,
} from "../../train/adaptation_plan.ts";
import { architecturePlan, namedArchitecture } from "../../train/architecture_plan.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { writeSmallDataset } from "../support/small_dataset.ts";

const data = {
  dataset_name: "Made",
  transpose_forward: [0, 1, 2] as [number, number, number],
  transpose_backward: [0, 1, 2] as [number, number, number],
  orientation: null,
  configurations: {},
};

Deno.test("readPretrainPlan() tells spacing, orientation and transposition of a store", () =>
  withFolder(async (folder) => {
    const source = `${folder}/bids`;
    await writeSmallDataset(source, 2);
    const cases = [
      { configuration: "onemmiso", orientation: "RAS", spacing: [1, 1, 1] },
      { configuration: "noresample", orientation: null, spacing: null },
    ] as const;
    for (const { configuration, orientation, spacing } of cases) {
      const out = `${folder}/${configuration}`;
      await prepareDataset({ source, out, configuration, orientation });
      using store = openStore(out);
      const plan = await readPretrainPlan(store, [16, 24, 32]);
      assert.deepEqual(Object.keys(plan.configurations), [configuration]);
      assert.equal(plan.orientation, orientation);
      const used = usedConfiguration(plan);
      assert.deepEqual([used.spacing, used.patch_size], [spacing, [16, 24, 32]]);
      assert.deepEqual(used.normalization_schemes, ["ZScoreNormalization"]);
      const written = JSON.parse(await Deno.readTextFile(`${out}/nnsslPlans.json`));
      assert.deepEqual(plan.transpose_forward, written.transpose_forward);

      const whole = adaptationPlan(NETWORK_PRESETS["resenc-l"], [16, 24, 32], plan);
      const read = parseAdaptationPlan(JSON.stringify(whole));
      assert.deepEqual(read, { plan: JSON.parse(JSON.stringify(whole)) });

      await Deno.writeTextFile(`${out}/nnsslPlans.json`, JSON.stringify({ ...written, configurations: {} }));
      await assert.rejects(readPretrainPlan(store, [16, 24, 32]), {
        name: "DataError",
        message: /nnsslPlans\.json.*configurations.*prepare the data again/,
      });
      await Deno.remove(`${out}/nnsslPlans.json`);
      await assert.rejects(readPretrainPlan(store, [16, 24, 32]), { name: "DataError" });
    }
  }));

Deno.test("adaptationPlan() names the parts of residual and plain networks", () => {
  const keys = (preset: string) => {
    const plan = adaptationPlan(NETWORK_PRESETS[preset], [32, 32, 32], data);
    return [
      plan.architecture_plans.arch_class_name,
      plan.key_to_encoder,
      plan.key_to_stem,
      ...plan.keys_to_in_proj,
    ];
  };
  assert.deepEqual(keys("tiny")[0], "ResidualEncoderUNet");
  assert.deepEqual(keys("resenc-l"), [
    "ResEncL",
    "encoder.stages",
    "encoder.stem",
    "encoder.stem.convs.0.conv",
    "encoder.stem.convs.0.all_modules.0",
  ]);
  assert.deepEqual(keys("plain"), [
    "PlainConvUNet",
    "encoder.stages",
    "encoder.stages.0.0",
    "encoder.stages.0.0.convs.0.conv",
    "encoder.stages.0.0.convs.0.all_modules.0",
  ]);
  for (const network of Object.values(NETWORK_PRESETS)) {
    const { architecture_plans } = adaptationPlan(network, [32, 32, 32], data);
    assert.deepEqual(
      namedArchitecture(architecture_plans),
      architecturePlan(network),
      "named as it is found",
    );
  }
});

Deno.test("namedArchitecture() takes a class by its last name, and refuses layers that are not computed", () => {
  const { architecture_plans: plans } = adaptationPlan(NETWORK_PRESETS.tiny, [32, 32, 32], data);
  const named = (changes: object) =>
    namedArchitecture({ ...plans, arch_kwargs: { ...plans.arch_kwargs, ...changes } });
  const arch_class_name = "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet";
  assert.deepEqual(namedArchitecture({ ...plans, arch_class_name }), architecturePlan(NETWORK_PRESETS.tiny));
  assert.deepEqual(
    named({ nonlin: "torch.nn.modules.activation.LeakyReLU" }),
    architecturePlan(NETWORK_PRESETS.tiny),
  );
  assert.throws(
    () => named({ nonlin: "torch.nn.ReLU" }),
    /^ConfigError: Cannot build the network: arch_kwargs\.nonlin "torch\.nn\.ReLU", wanted LeakyReLU$/,
  );
});
