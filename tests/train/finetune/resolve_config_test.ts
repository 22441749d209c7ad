import assert from "node:assert/strict";
import type { ConfigurationPlan } from "../../../data/nnunet/plans.ts";
import { NETWORK_PRESETS } from "../../../model/config.ts";
import { architecturePlan } from "../../../train/architecture_plan.ts";
import { ConfigError } from "../../../train/config_layers.ts";
import { finetuneNetwork, microBatch } from "../../../train/finetune/config.ts";
import {
  finetuneConfigJsonSchema,
  type FinetuneLayers,
  type PlannedRun,
  resolveFinetuneConfig,
} from "../../../train/finetune/resolve_config.ts";
import { planOfNetwork } from "./plan_of_network.ts";

const plan: PlannedRun = {
  name: "3d_fullres",
  configuration: planOfNetwork(NETWORK_PRESETS["resenc-l"], [160, 160, 160]).configurations["3d_fullres"],
  inputChannels: 2,
  outputs: 4,
};

function changed(changes: Partial<ConfigurationPlan>): PlannedRun {
  return { ...plan, configuration: { ...plan.configuration, ...changes } };
}

/** Lines of the ConfigError that the layers cause. */
function faults(layers: FinetuneLayers): string[] {
  try {
    resolveFinetuneConfig(layers);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
  assert.fail(`${JSON.stringify(layers.flags)} was accepted`);
}

Deno.test("resolveFinetuneConfig() is the published protocol for each start", () => {
  const pretrained = resolveFinetuneConfig({ start: "pretrained", plan });
  assert.deepEqual(pretrained.optimizer, {
    kind: "sgd",
    lr: 1e-3,
    momentum: 0.99,
    nesterov: true,
    weightDecay: 3e-5,
  });
  const { epochs, stepsPerEpoch, validationSteps, clipNorm, oversample, init, batch } = pretrained;
  assert.deepEqual(
    { epochs, stepsPerEpoch, validationSteps, clipNorm, oversample, init, batch },
    {
      epochs: 1000,
      stepsPerEpoch: 250,
      validationSteps: 50,
      clipNorm: 12,
      oversample: 0.33,
      init: "he",
      batch: { size: 2, micro: null },
    },
  );
  assert.deepEqual([pretrained.schedule.kind, pretrained.deepSupervision], ["warmup", false]);
  const fixed = resolveFinetuneConfig({ start: "fixed-scratch", plan });
  assert.deepEqual([fixed.optimizer.lr, fixed.schedule.kind, fixed.deepSupervision], [1e-2, "warmup", false]);
  const scratch = resolveFinetuneConfig({ start: "scratch", plan });
  assert.deepEqual([scratch.optimizer.lr, scratch.schedule.kind, scratch.deepSupervision], [
    1e-2,
    "default",
    true,
  ]);
});

Deno.test("resolveFinetuneConfig() takes network, patch and batch from the plan", () => {
  const config = resolveFinetuneConfig({
    start: "scratch",
    plan: changed({ batch_size: 3, batch_dice: true, patch_size: [96, 128, 160] }),
  });
  assert.deepEqual(config.patch, [96, 128, 160]);
  assert.deepEqual([config.batch.size, microBatch(config)], [3, 3], "Dice of the batch needs it whole");
  const wanted = NETWORK_PRESETS["resenc-l"];
  assert.deepEqual(finetuneNetwork(config), {
    ...wanted,
    inputChannels: 2,
    outputChannels: 4,
    deepSupervision: true,
    init: "he",
  });
});

Deno.test("preset demo gives way to the plan where a checkpoint decides the network", () => {
  const scratch = resolveFinetuneConfig({ start: "scratch", preset: "demo", plan });
  assert.deepEqual([scratch.network.features, scratch.patch], [[4, 8, 16, 32], [48, 48, 48]]);
  const pretrained = resolveFinetuneConfig({ start: "pretrained", preset: "demo", plan });
  assert.deepEqual(
    [pretrained.network.features, pretrained.patch, pretrained.epochs],
    [[...NETWORK_PRESETS["resenc-l"].features], [160, 160, 160], scratch.epochs],
  );
});

Deno.test("a resolved fine-tuning configuration resolves to itself without its plan", () => {
  for (const start of ["pretrained", "scratch"] as const) {
    for (const preset of ["default", "short", "demo"]) {
      const config = resolveFinetuneConfig({
        start,
        plan,
        preset,
        flags: { schedule: { kind: "sawtooth" } },
      });
      const file = JSON.parse(JSON.stringify(config));
      assert.deepEqual(resolveFinetuneConfig({ start: "pretrained", file }), config);
    }
  }
});

Deno.test("flags change one setting of a fine-tuning configuration and keep the rest", () => {
  const config = resolveFinetuneConfig({
    start: "pretrained",
    plan,
    preset: "short",
    flags: { optimizer: { lr: 1e-4 }, schedule: { kind: "valley", decoderEpochs: 3 }, fold: "all" },
  });
  assert.deepEqual(
    [config.optimizer.lr, config.optimizer.kind, config.epochs, config.fold],
    [1e-4, "sgd", 150, "all"],
  );
  assert.deepEqual(config.schedule, {
    kind: "valley",
    decoderEpochs: 3,
    decoderRate: 1,
    warmupEpochs: null,
    exponent: 0.9,
  });
});

Deno.test("wrong fine-tuning settings are named with key, layer and remedy", () => {
  const cases: [FinetuneLayers, RegExp][] = [
    [
      { start: "pretrained", plan, flags: { schedule: { kind: "walley" } } },
      /^command line: schedule.kind: Expected one of default, frozen, warmup, valley, sawtooth, found "walley"$/,
    ],
    [
      { start: "pretrained", plan, file: { epoch: 3 }, fileName: "run.json" },
      /^run.json: Unknown key "epoch": did you mean epochs\?$/,
    ],
    [
      { start: "pretrained", plan, flags: { schedule: { kind: "warmup", decoderEpochs: 1 } } },
      /^command line: schedule: Unknown key "decoderEpochs" of this kind: choose a kind that has it, or leave it out$/,
    ],
    [
      { start: "pretrained", plan, flags: { patch: [100, 160, 160] } },
      /^command line: patch: .*axis 0 is 100, wanted a multiple of 32/,
    ],
    [
      { start: "pretrained", plan, flags: { batch: { size: 4, micro: 3 } } },
      /^command line: batch.micro: Micro-batch 3 does not divide batch.size 4/,
    ],
    [
      { start: "scratch", plan: changed({ batch_dice: true }), flags: { batch: { micro: 1 } } },
      /^command line: batch.micro: Micro-batch 1 is not batch.size 2, which batchDice needs/,
    ],
    [
      { start: "pretrained", plan, flags: { epochs: 10, schedule: { kind: "sawtooth", decoderEpochs: 9 } } },
      /^command line: schedule: Schedule sawtooth takes 10 epochs \(decoder 9, warm-up 1\), which leaves nothing of 10/,
    ],
    [
      { start: "pretrained", preset: "paper", plan },
      /^command line: preset: Found "paper", expected one of default/,
    ],
    [{ start: "pretrained" }, /^preset default: network: Expected object, found undefined$/],
    [{ start: "pretrained", plan, flags: { fold: -1 } }, /^command line: fold: /],
  ];
  for (const [layers, text] of cases) assert.match(faults(layers)[0], text);
});

Deno.test("finetuneConfigJsonSchema() knows presets and describes keys", () => {
  const schema = finetuneConfigJsonSchema() as { properties: Record<string, { enum?: string[] }> };
  assert.deepEqual(schema.properties.preset.enum, ["default", "short", "demo"]);
  assert.ok("schedule" in schema.properties && "augmentation" in schema.properties);
});

Deno.test("architecturePlan() and the network made from it agree", () => {
  for (const network of [NETWORK_PRESETS["resenc-l"], NETWORK_PRESETS["plain"]]) {
    const configuration = { ...plan.configuration, architecture: architecturePlan(network) };
    const config = resolveFinetuneConfig({ start: "pretrained", plan: { ...plan, configuration } });
    assert.deepEqual(finetuneNetwork(config), {
      ...network,
      inputChannels: 2,
      outputChannels: 4,
      init: "he",
    });
  }
});
