import assert from "node:assert/strict";
import { SampleReader } from "../../data/load_sample.ts";
import type { RunConfig } from "../../train/config.ts";
import { maskFromCells } from "../../train/mask.ts";
import { METRIC_ROWS, type StepMetrics } from "../../train/metrics_ring.ts";
import { PretrainSession } from "../../train/session.ts";
import { concatenate } from "../../train/training_session.ts";
import { gpuTest } from "../support/gpu.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { assertAllClose } from "../support/tolerance.ts";
import { makeHeadStore, sameBytes, tinyConfig, wavePatch } from "./tiny_run.ts";

/** Steps of 8^3 voxels, for tests that need many. */
const smallest = tinyConfig({ patch: [8, 8, 8], network: { features: [3, 4] } });

async function open(config: RunConfig): Promise<PretrainSession> {
  const session = await PretrainSession.create(config, "auto");
  session.initialise();
  return session;
}

gpuTest("PretrainSession overfits one patch of a generated head", () =>
  withFolder(async (folder) => {
    const config = tinyConfig({
      network: { features: [4, 8, 12], blocks: [1, 1, 1] },
      optimizer: { kind: "adamw", weightDecay: 0 },
      mask: { ratio: { kind: "fixed", value: 0.5 } },
      augmentation: { mirror: false },
    });
    const { patch: cropSize, seed } = config;
    const store = await makeHeadStore(folder);
    using reader = new SampleReader({ store, subset: "train", seed, cropSize, finalSize: cropSize });
    const sample = reader.read(0, 0);
    using session = await open(config);
    const means: number[] = [];
    for (let step = 0; step < 60; step++) {
      session.trainStep(step, 1e-2, [{ ...sample, step }]);
      if (step % 10 !== 9) continue;
      const metrics = await session.readMetrics(step - 9, step + 1);
      means.push(metrics.reduce((sum, { loss }) => sum + loss / 10, 0));
    }
    const mean = sample.patch.reduce((sum, v) => sum + v, 0) / sample.patch.length;
    const variance = sample.patch.reduce((sum, v) => sum + (v - mean) ** 2, 0) / sample.patch.length;
    const found = means.map((loss) => loss.toFixed(3)).join(", ");
    assert.ok(means.at(-1)! < 0.45 * means[0], `mean losses of ten steps: ${found}`);
    assert.ok(means.at(-1)! < 0.5 * variance, `mean losses ${found}, variance of the patch ${variance}`);
  }));

gpuTest(
  "both layouts train alike: losses, gradient norms and weights of steps with different ratios",
  async () => {
    const trained = await Promise.all((["blocks", "dense-masked"] as const).map(async (layout) => {
      const config = tinyConfig({
        network: { features: [3, 4, 5], blocks: [1, 1, 1] },
        patch: [16, 16, 24],
        mask: { block: 2, ratio: { kind: "uniform", low: 0.3, high: 0.9 } },
        batch: { size: 4, micro: 2 },
        layout,
      });
      using session = await open(config);
      const steps = 4;
      for (let step = 0; step < steps; step++) {
        session.trainStep(step, 1e-3, [0, 1, 2, 3].map((sample) => wavePatch(config, sample)));
      }
      return { metrics: await session.readMetrics(0, steps), state: await session.exportState() };
    }));
    const [blocks, masked] = trained;
    for (const key of ["loss", "gradNorm"] as const) {
      const [found, wanted] = [blocks, masked].map(({ metrics }) => metrics.map((m) => m[key]));
      assertAllClose(found, wanted, { atol: 0, rtol: 1e-4 }, key);
    }
    for (const [name, { data }] of blocks.state) {
      assertAllClose(data, masked.state.get(name)!.data, { atol: 1e-5, rtol: 1e-4 }, name);
    }
  },
);

gpuTest("readMetrics() keeps the last 64 steps, whenever it is called", async () => {
  const steps = METRIC_ROWS + 9;
  const trained = async (every: number): Promise<StepMetrics[]> => {
    using session = await open(smallest);
    const rows: StepMetrics[] = [];
    for (let step = 0; step < steps; step++) {
      session.trainStep(step, 0.01, [wavePatch(smallest, step % 3)]);
      if ((step + 1) % every === 0 || step === steps - 1) {
        const from = Math.max(step + 1 - METRIC_ROWS, rows.length);
        rows.push(...await session.readMetrics(from, step + 1));
      }
    }
    return rows;
  };
  const often = await trained(24);
  assert.deepEqual(often.map((row) => row.step), Array.from({ length: steps }, (_, i) => i));
  assert.ok(often.every((row) => row.finite && row.loss > 0));
  assert.equal(new Set(often.map((row) => row.loss)).size, steps, "no row is repeated");
  const once = await trained(steps);
  assert.deepEqual(once, often.slice(-METRIC_ROWS));
});

gpuTest("a step on a patch with NaN changes nothing, and the next step trains again", async () => {
  using session = await open(smallest);
  session.trainStep(0, 0.01, [wavePatch(smallest, 0)]);
  const before = await session.exportState();
  const bad = wavePatch(smallest, 1);
  bad.patch[100] = NaN;
  session.trainStep(1, 0.01, [bad]);
  const [skipped] = await session.readMetrics(1, 2);
  assert.deepEqual([skipped.finite, Number.isFinite(skipped.loss), skipped.clipScale], [false, false, 0]);
  for (const [name, { data }] of await session.exportState()) {
    assert.ok(sameBytes(data, before.get(name)!.data), name);
  }
  session.trainStep(2, 0.01, [wavePatch(smallest, 2)]);
  const [good] = await session.readMetrics(2, 3);
  assert.ok(good.finite && Number.isFinite(good.loss));
  const after = await session.exportState();
  assert.ok(![...after].every(([name, { data }]) => sameBytes(data, before.get(name)!.data)));
  for (const [name, { data }] of after) assert.ok(data.every(Number.isFinite), name);
});

gpuTest("a batch of 2 in micro-batches of 1 trains as one micro-batch of 2", async () => {
  const trained = async (micro: number) => {
    // SGD: Adam's first steps are signs, which rounding flips where a gradient is zero in theory
    const config = tinyConfig({ batch: { size: 2, micro }, optimizer: { kind: "sgd", weightDecay: 0 } });
    using session = await open(config);
    for (const step of [0, 1]) {
      session.trainStep(step, 0.01, [wavePatch(config, step, 0), wavePatch(config, step, 1)]);
    }
    const state = await session.exportState();
    const gradients = new Map<string, Float32Array>();
    for (const name of state.keys()) {
      if (name.startsWith("velocity:")) {
        const gradient = name.replace("velocity:", "gradient:");
        gradients.set(gradient, await session.executor.read(gradient));
      }
    }
    return { state, gradients, metrics: await session.readMetrics(0, 2) };
  };
  const [one, two] = [await trained(1), await trained(2)];
  for (const step of [0, 1]) {
    const figures = ({ loss, gradNorm, clipScale }: StepMetrics) => [loss, gradNorm, clipScale];
    const wanted = figures(two.metrics[step]);
    assertAllClose(figures(one.metrics[step]), wanted, { atol: 0, rtol: 1e-4 }, `step ${step}`);
  }
  const scale = Math.max(...[...two.gradients.values()].map((g) => Math.max(...g.map(Math.abs))));
  for (const [name, gradient] of two.gradients) {
    assertAllClose(one.gradients.get(name)!, gradient, { atol: 1e-4 * scale, rtol: 1e-4 }, name);
  }
  for (const [name, { data }] of two.state) {
    assertAllClose(one.state.get(name)!.data, data, { atol: 1e-5, rtol: 1e-4 }, name);
  }
});

gpuTest("initialise() draws a tensor's start from the seed and the tensor alone", async () => {
  using session = await open(smallest);
  const first = await session.exportState();
  session.trainStep(0, 0.1, [wavePatch(smallest, 0)]);
  session.initialise();
  const again = await session.exportState();
  for (const [name, { data }] of first) {
    if (!name.includes(":")) assert.ok(sameBytes(data, again.get(name)!.data), name);
  }
  using other = await open({ ...smallest, seed: 1 });
  const changed = await other.exportState();
  const weight = "encoder.stem.convs.0.conv.weight";
  assert.ok(!sameBytes(changed.get(weight)!.data, first.get(weight)!.data));
  assert.ok([...first.values()].every(({ data, shape }) => data.length === shape.reduce((a, b) => a * b, 1)));
});

gpuTest(
  "He start: residual branches are silent, the network trains; a zero head reconstructs zero",
  async () => {
    const config = tinyConfig({
      network: { features: [3, 4], init: "he", zeroHead: true },
      patch: [8, 8, 8],
      optimizer: { kind: "adamw" },
    });
    using session = await open(config);
    const state = await session.exportState();
    const silent = [...state].filter(([name]) => /^encoder.*conv2\.norm\.(weight|bias)$/.test(name));
    assert.equal(silent.length, 4);
    assert.ok(silent.every(([, { data }]) => data.every((v) => v === 0)));
    const { patch } = wavePatch(config, 0);
    const masks = [maskFromCells(Uint8Array.of(1, 0, 1, 0, 0, 1, 0, 0), [2, 2, 2])];
    const { reconstruction } = await session.evaluate(patch, masks, true);
    assert.ok(reconstruction!.every((v) => v === 0));
    assert.equal((await session.evaluate(patch, masks, false)).reconstruction, null);
    const losses: number[] = [];
    for (let step = 0; step < 20; step++) session.trainStep(step, 0.01, [wavePatch(config, 0)]);
    for (const { loss, finite } of await session.readMetrics(0, 20)) {
      assert.ok(finite);
      losses.push(loss);
    }
    assert.ok(losses.at(-1)! < losses[0], losses.join(" "));
  },
);

gpuTest("readMetrics() tells of GPU errors and of a lost device instead of handing out numbers", async () => {
  using session = await open(smallest);
  session.trainStep(0, 0.01, [wavePatch(smallest, 0)]);
  assert.equal((await session.readMetrics(0, 1)).length, 1);
  session.gpu.device.createBuffer({ size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
  await assert.rejects(session.readMetrics(0, 1), { name: "DeviceError", message: /^GPU error: / });
  using lost = await open(smallest);
  lost.gpu.device.destroy();
  await assert.rejects(lost.readMetrics(0, 1), {
    name: "DeviceError",
    message: /^GPU device was lost .*: resume from the last checkpoint/,
  });
});

gpuTest("PretrainSession.create() says which patch fits when the adapter is too small", async () => {
  // 320^3 x 32 channels x 4 bytes are 4.2 GB in one binding: more than any adapter of 2026 promises
  const config = tinyConfig({
    network: { preset: "resenc-l", features: undefined, blocks: undefined },
    patch: [640, 640, 640],
    mask: { block: 16 },
  });
  await assert.rejects(PretrainSession.create(config, "auto"), (error: Error) => {
    assert.equal(error.name, "LimitError");
    assert.match(error.message, /: use patch \d+ or less, or another adapter$/);
    return true;
  });
});

Deno.test("concatenate() joins in order and does not copy a single part", () => {
  const [a, b] = [Float32Array.of(1, 2), Float32Array.of(3)];
  assert.deepEqual([...concatenate([a, b, a])], [1, 2, 3, 1, 2]);
  assert.equal(concatenate([a]), a);
});
