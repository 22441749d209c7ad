import assert from "node:assert/strict";
import { readSafetensors } from "../../data/safetensors_file.ts";
import { loadCheckpoint, saveCheckpoint } from "../../train/checkpoint.ts";
import type { RunConfig } from "../../train/config.ts";
import { LOSS_SCALE, SKIPS_IN_A_ROW } from "../../train/precision.ts";
import { runPaths } from "../../train/run_folder.ts";
import { RunLog } from "../../train/run_log.ts";
import type { StepMetrics } from "../../train/metrics_ring.ts";
import { PretrainSession } from "../../train/session.ts";
import { gpuTest } from "../support/gpu.ts";
import { halfTest } from "../support/half.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { makeNoiseStore, pretrainPlan, runTiny, sameBytes, tinyConfig, wavePatch } from "./tiny_run.ts";

const half = tinyConfig({
  precision: "f16",
  patch: [8, 8, 8],
  network: { features: [3, 4] },
  optimizer: { kind: "adamw" },
});

async function open(config: RunConfig): Promise<PretrainSession> {
  const session = await PretrainSession.create(config, "auto");
  session.initialise();
  return session;
}

async function train(config: RunConfig, steps: number): Promise<StepMetrics[]> {
  using session = await open(config);
  for (let step = 0; step < steps; step++) session.trainStep(step, 0.01, [wavePatch(config, step)]);
  return await session.readMetrics(0, steps);
}

const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;

for (const layout of ["blocks", "dense-masked"] as const) {
  halfTest(`a network trains in f16 as it does in f32, ${layout}`, async () => {
    const [single, narrow] = [
      await train(tinyConfig({ layout, optimizer: { kind: "adamw" } }), 30),
      await train(tinyConfig({ layout, optimizer: { kind: "adamw" }, precision: "f16" }), 30),
    ];
    assert.ok(narrow.every((m) => m.finite && m.lossScale === LOSS_SCALE.initial));
    assert.ok(single.every((m) => m.lossScale === 1));
    const relative = (a: number, b: number) => Math.abs(a - b) / b;
    assert.ok(relative(narrow[0].loss, single[0].loss) < 1e-3, "one forward pass");
    assert.ok(relative(narrow[0].gradNorm, single[0].gradNorm) < 1e-2, "one backward pass");
    const last = (metrics: StepMetrics[]) => mean(metrics.slice(-10).map((m) => m.loss));
    assert.ok(last(single) < 0.7 * single[0].loss, "it learns");
    assert.ok(relative(last(narrow), last(single)) < 0.03, `f16 ${last(narrow)}, f32 ${last(single)}`);
  });
}

halfTest(
  "gradients that overflow skip the step and halve the loss scale; the next good step trains",
  async () => {
    using session = await open(half);
    session.trainStep(0, 0.01, [wavePatch(half, 0)]);
    const before = await session.exportState();
    const tooLarge = 2 ** 40;
    session.executor.parameters.write("lossScale", Float32Array.of(tooLarge));
    session.trainStep(1, 0.01, [wavePatch(half, 1)]);
    session.trainStep(2, 0.01, [wavePatch(half, 2)]);
    const skipped = await session.readMetrics(1, 3);
    assert.deepEqual(skipped.map((m) => [m.finite, m.clipScale, m.lossScale]), [
      [false, 0, tooLarge],
      [false, 0, tooLarge / 2],
    ]);
    assert.ok(skipped.every((m) => Number.isFinite(m.loss)), "the loss itself is not scaled");
    const after = await session.exportState();
    for (const [name, { data }] of after) {
      if (name.startsWith("lossScale")) continue;
      assert.ok(sameBytes(data, before.get(name)!.data), name);
    }
    assert.deepEqual([...after.get("lossScale")!.data, ...after.get("lossScaleGoodSteps")!.data], [
      tooLarge / 4,
      0,
    ]);
    session.executor.parameters.write("lossScale", Float32Array.of(LOSS_SCALE.initial));
    session.trainStep(3, 0.01, [wavePatch(half, 3)]);
    const [good] = await session.readMetrics(3, 4);
    assert.ok(good.finite && good.clipScale > 0 && good.clipScale <= 1);
    const trained = await session.exportState();
    assert.ok(![...trained].every(([name, { data }]) => sameBytes(data, before.get(name)!.data)));
  },
);

halfTest("the loss scale does not change what a step does", async () => {
  const states = [];
  for (const scale of [LOSS_SCALE.initial, LOSS_SCALE.initial / 16]) {
    const config = { ...half, optimizer: tinyConfig().optimizer };
    using session = await open(config);
    session.executor.parameters.write("lossScale", Float32Array.of(scale));
    session.trainStep(0, 0.01, [wavePatch(half, 0)]);
    states.push({ metrics: (await session.readMetrics(0, 1))[0], state: await session.exportState() });
  }
  const [one, other] = states;
  assert.ok(Math.abs(one.metrics.gradNorm - other.metrics.gradNorm) < 1e-2 * one.metrics.gradNorm);
  for (const [name, { data }] of one.state) {
    if (name.startsWith("lossScale")) continue;
    const found = other.state.get(name)!.data;
    data.forEach((v, i) => assert.ok(Math.abs(v - found[i]) < 1e-3, `${name}[${i}]: ${v} and ${found[i]}`));
  }
});

halfTest(
  "stopped and resumed in f16, a run ends with the same bytes, loss scale included",
  () =>
    withFolder(async (folder) => {
      const store = await makeNoiseStore(folder);
      const config = { ...half, epochs: 2, stepsPerEpoch: 3 };
      const [whole, parts] = [`${folder}/whole`, `${folder}/parts`];
      const { summary } = await runTiny(store, whole, config);
      assert.equal(summary.skippedSteps, 0);
      await runTiny(store, parts, config, { stopAfter: 2 });
      await runTiny(store, parts, config, { resume: true });
      const [wanted, found] = [whole, parts].map((out) => Deno.readFileSync(runPaths(out).final));
      assert.ok(sameBytes(wanted, found));
      const { tensors, metadata } = await readSafetensors(runPaths(parts).final);
      assert.deepEqual([...tensors.get("lossScale")!.data], [LOSS_SCALE.initial]);
      assert.deepEqual([...tensors.get("lossScaleGoodSteps")!.data], [6]);
      assert.equal(JSON.parse(metadata.config).precision, "f16");
      assert.equal(JSON.parse(await Deno.readTextFile(runPaths(parts).record)).config.precision, "f16");
      using log = RunLog.open(runPaths(parts).log, { readOnly: true });
      assert.deepEqual(
        log.metric("lossScale").map((row) => row.value),
        new Array(6).fill(LOSS_SCALE.initial),
      );
      assert.deepEqual(log.metric("skipped").map((row) => row.value), new Array(6).fill(0));
    }),
);

halfTest("loadCheckpoint() refuses to go on in another precision", () =>
  withFolder(async (folder) => {
    const path = `${folder}/checkpoint.safetensors`;
    using session = await open(half);
    await saveCheckpoint(path, session, { step: 0, bestValLoss: null }, pretrainPlan(half.patch));
    using single = await PretrainSession.create({ ...half, precision: "f32" }, "auto");
    await assert.rejects(loadCheckpoint(path, single), {
      name: "CheckpointError",
      message:
        `Cannot resume from ${path}: it was trained in f16, this run is f32 on ${single.gpu.facts.adapter}: ` +
        "use --precision f16",
    });
  }));

gpuTest(
  "runTraining() ends a run whose steps change nothing for too long",
  () =>
    withFolder(async (folder) => {
      const store = await makeNoiseStore(folder);
      const wild = tinyConfig({
        patch: [8, 8, 8],
        network: { features: [3, 4] },
        optimizer: { lr: 1e30 },
        schedule: { kind: "constant" },
        epochs: 1,
        stepsPerEpoch: 2 * SKIPS_IN_A_ROW,
        nanLimit: 1000,
      });
      await assert.rejects(runTiny(store, `${folder}/run`, wild), (error: Error) => {
        assert.equal(error.name, "DivergedError");
        const count = SKIPS_IN_A_ROW + 1;
        assert.equal(
          error.message,
          `Training diverged: the last ${count} steps had gradients that are not finite and changed nothing (loss scale 1): ` +
            "use a lower learning rate or precision f32, and check the data with spark3d prepare",
        );
        return true;
      });
    }),
);
