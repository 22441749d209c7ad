import assert from "node:assert/strict";
import { runSchedule } from "../../train/config.ts";
import { mergeConfig } from "../../train/merge_config.ts";
import { runPresets } from "../../train/presets.ts";
import { ConfigError, type ConfigLayers } from "../../train/config_layers.ts";
import { resolveRunConfig, runConfigJsonSchema } from "../../train/resolve_config.ts";
import { learningRate } from "../../train/schedule.ts";
import { METRIC_ROWS } from "../../train/metrics_ring.ts";

/** Lines of the ConfigError that the layers cause. */
function faults(layers: ConfigLayers): string[] {
  try {
    resolveRunConfig(layers);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
  assert.fail(`${JSON.stringify(layers)} was accepted`);
}

Deno.test("resolveRunConfig() of paper is the published recipe", () => {
  const config = resolveRunConfig({ preset: "paper" });
  assert.deepEqual(config.network, {
    kind: "s3d",
    preset: "resenc-l",
    init: "pytorch",
    zeroHead: false,
    leakyStem: false,
  });
  assert.deepEqual(config.patch, [160, 160, 160]);
  assert.deepEqual(config.mask, { block: 16, ratio: { kind: "uniform", low: 0.6, high: 0.9 } });
  assert.deepEqual(config.optimizer, {
    kind: "sgd",
    lr: 1e-2,
    momentum: 0.99,
    nesterov: true,
    weightDecay: 3e-5,
  });
  assert.deepEqual([config.batch.size, config.epochs, config.stepsPerEpoch, config.clipNorm], [
    6,
    1000,
    250,
    12,
  ]);
  assert.equal(config.loss, "mse");
});

Deno.test("every run preset resolves, and demo is what nothing said means", () => {
  for (const preset of Object.keys(runPresets)) resolveRunConfig({ preset });
  assert.deepEqual(resolveRunConfig(), resolveRunConfig({ preset: "demo" }));
});

Deno.test("a resolved configuration resolves to itself", () => {
  for (const preset of Object.keys(runPresets)) {
    const config = resolveRunConfig({ preset });
    const again = resolveRunConfig({ preset: "paper", file: JSON.parse(JSON.stringify(config)) });
    assert.deepEqual(again, config);
  }
});

Deno.test("resolveRunConfig() lets flags win over the file and the file over the preset", () => {
  const config = resolveRunConfig({
    file: { preset: "paper", batch: { size: 12 }, epochs: 7 },
    flags: { epochs: 9 },
  });
  assert.deepEqual([config.batch.size, config.epochs, config.patch[0]], [12, 9, 160]);
});

Deno.test("mergeConfig() replaces an object of another kind whole", () => {
  const base = { optimizer: { kind: "sgd", lr: 0.01, momentum: 0.99 } };
  assert.deepEqual(mergeConfig(base, { optimizer: { kind: "adamw" } }), { optimizer: { kind: "adamw" } });
  assert.deepEqual(mergeConfig(base, { optimizer: { kind: "sgd", lr: 1 } }), {
    optimizer: { kind: "sgd", lr: 1, momentum: 0.99 },
  });
  assert.deepEqual(mergeConfig(base, { optimizer: { lr: 1 } }).optimizer, {
    kind: "sgd",
    lr: 1,
    momentum: 0.99,
  });
});

Deno.test("a wrong key is named with its path, its layer, what was found and what was wanted", () => {
  const layers = {
    fileName: "run.json",
    file: { network: { kind: "unet", feature: [8] }, mask: { ratio: { kind: "uniform", low: 2 } }, epoch: 3 },
    flags: { seed: -1 },
  };
  assert.deepEqual(faults(layers).sort(), [
    "command line: seed: Too small: expected number to be >=0, found -1",
    'run.json: Unknown key "epoch": did you mean epochs?',
    "run.json: mask.ratio.low: Too big: expected number to be <1, found 2",
    'run.json: network.kind: Expected one of s3d, s3d-no-token, s3d-efficient, mae, found "unet"',
    'run.json: network: Unknown key "feature": did you mean features?',
  ]);
});

Deno.test("settings that contradict each other are refused with a remedy", () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [
      { patch: [48, 48, 50] },
      /^command line: patch\[2\]: Patch edge 50 is not a multiple of 8 \(mask\.block 8, coarsest step \d+ of network demo\): use 48 or 56$/,
    ],
    [{ patch: [4, 4, 4] }, /Patch edge 4 is not a multiple of 8 \(.*\): use 8$/],
    [
      { patch: [40, 40, 40], mask: { block: 10 }, network: { preset: "resenc-l" } },
      /patch: Patch edge 40 is not a multiple of 160 \(mask\.block 10, coarsest step 32 of network resenc-l\): use 160/,
    ],
    [{ batch: { size: 3, micro: 2 } }, /batch\.micro: Micro-batch 2 does not divide batch\.size 3/],
    [
      { mask: { ratio: { kind: "uniform", low: 0.9, high: 0.6 } } },
      /mask\.ratio\.low: Lower ratio 0\.9 is above/,
    ],
    [
      { mask: { ratio: { kind: "fixed", value: 0.001 } } },
      /mask\.ratio: A ratio of 0\.001 hides none of the 216 blocks/,
    ],
    [{ augmentation: { scale: [2, 1] } }, /augmentation\.scale: Smallest zoom is above the largest/],
    [{ network: { features: [8, 16], blocks: [1, 1, 1] } }, /network\.blocks: Found 3 entries for 2 stages/],
    [{ optimizer: { kind: "lion" } }, /optimizer\.kind: Expected one of sgd, adamw, found "lion"/],
    [{ optimizer: { kind: "adamw", momentum: 0.9 } }, /optimizer: Unknown key "momentum"/],
    [{ epochs: "ten" }, /epochs: Expected number, found "ten"|epochs: .*found "ten"/],
  ];
  for (const [flags, wanted] of cases) assert.match(faults({ flags })[0], wanted, JSON.stringify(flags));
});

Deno.test("metricsEvery never exceeds the rows that the GPU keeps", () => {
  resolveRunConfig({ flags: { metricsEvery: METRIC_ROWS } });
  assert.match(
    faults({ flags: { metricsEvery: METRIC_ROWS + 1 } })[0],
    /^command line: metricsEvery: Too big/,
  );
});

Deno.test("an unknown preset names its layer and the known ones", () => {
  assert.deepEqual(faults({ preset: "dmeo" }), [
    'command line: preset: Found "dmeo", expected one of demo, slow-demo, paper, large',
  ]);
  assert.match(faults({ file: { preset: 3 }, fileName: "a.json" })[0], /^a\.json: preset: Found 3/);
  assert.match(faults({ file: [1], fileName: "a.json" })[0], /^a\.json: Expected a JSON object/);
});

Deno.test("runSchedule() starts at optimizer.lr and keeps the schedule's kind", () => {
  const config = resolveRunConfig({ preset: "paper", flags: { optimizer: { lr: 0.03 } } });
  assert.equal(learningRate(runSchedule(config), 0, config.epochs), 0.03);
  const half = learningRate(runSchedule(config), 500, config.epochs);
  assert.ok(Math.abs(half - 0.03 * 0.5 ** 0.9) < 1e-15, `found ${half}`);
});

Deno.test("runConfigJsonSchema() allows what a file may hold and nothing else", () => {
  const schema = runConfigJsonSchema() as {
    properties: Record<string, unknown>;
    additionalProperties: boolean;
  };
  const keys = Object.keys(resolveRunConfig({ preset: "paper" }));
  assert.deepEqual(Object.keys(schema.properties).sort(), ["$schema", "preset", ...keys].sort());
  assert.equal(schema.additionalProperties, false);
});

Deno.test("resolveRunConfig() keeps a preset's network when only its kind changes", () => {
  const { network } = resolveRunConfig({ preset: "demo", flags: { network: { kind: "mae" } } });
  assert.deepEqual([network.kind, network.preset, network.zeroHead], ["mae", "demo", true]);
});
