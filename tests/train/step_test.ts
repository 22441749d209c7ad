import assert from "node:assert/strict";
import { compile } from "../../kernels/graph/plan.ts";
import { verifyPlan } from "../../kernels/graph/verify.ts";
import { lossNames } from "../../train/config.ts";
import { expandMask, sampleBlockMask, sampleRatio } from "../../train/mask.ts";
import { runPresets } from "../../train/presets.ts";
import { resolveRunConfig } from "../../train/resolve_config.ts";
import { PretrainSession } from "../../train/session.ts";
import { buildPretrainGraph, maeConfig } from "../../train/step.ts";
import { plainDevice } from "../support/device_facts.ts";
import { gpuTest } from "../support/gpu.ts";
import { assertAllClose } from "../support/tolerance.ts";
import { sameBytes, tinyConfig, wavePatch } from "./tiny_run.ts";

Deno.test("maeConfig() follows the network section of a run", () => {
  const network = {
    kind: "s3d-efficient",
    preset: "tiny",
    features: [4, 6, 8, 10],
    blocks: [1, 2, 1, 1],
    init: "he",
    zeroHead: true,
    leakyStem: true,
  } as const;
  const mae = maeConfig(tinyConfig({ network }));
  assert.deepEqual([mae.kind, mae.leakyStem], ["s3d-efficient", true]);
  assert.deepEqual(mae.network.features, [4, 6, 8, 10]);
  assert.deepEqual(mae.network.blocks, [1, 2, 1, 1]);
  assert.deepEqual([mae.network.init, mae.network.zeroHead], ["he", true]);
  const paper = maeConfig(resolveRunConfig({ preset: "paper" }));
  assert.deepEqual([paper.kind, paper.leakyStem, paper.network.init], ["s3d", false, "pytorch"]);
  assert.deepEqual(paper.network.features, [32, 64, 128, 256, 320, 320]);
});

Deno.test("buildPretrainGraph() declares the inputs, outputs and phases of a run", () => {
  const config = tinyConfig({ batch: { size: 6, micro: 2 }, patch: [16, 24, 32], mask: { block: 8 } });
  const { graph, blocks, layout, cropSize, phases } = buildPretrainGraph(config);
  assert.equal(layout, "blocks");
  assert.deepEqual(
    blocks,
    { grid: [2, 3, 4], kept: 10 },
    "24 cells, at least floor(0.6 x 24) of them hidden",
  );
  assert.deepEqual(cropSize, [16, 24, 32], "no rotation and no zoom: no margin");
  const shape = (name: string) => graph.find(name).spec.shape.join();
  assert.deepEqual(
    ["crop", "transform", "image", "table", "scalars", "metrics"].map(shape),
    ["2,1,16,24,32", "2,16", "2,1,16,24,32", `2,${1 + 24 + 10}`, "4", "64,5"],
  );
  const masked = buildPretrainGraph({ ...config, layout: "dense-masked" });
  assert.equal(masked.layout, "dense-masked");
  assert.deepEqual(masked.graph.find("mask").spec.shape, [2, 1, 2, 3, 4]);
  const plain = buildPretrainGraph({ ...config, network: { ...config.network, kind: "mae" } });
  assert.equal(plain.layout, "dense-masked");
  assert.deepEqual(graph.outputs.get("reconstruction")!.spec.shape, [2, 1, 16, 24, 32]);
  assert.deepEqual(Object.keys(phases), ["augment", "micro", "update", "evaluate"]);
  const plan = compile(graph, { device: plainDevice, phases });
  verifyPlan(plan, plainDevice);
  const turned = buildPretrainGraph({
    ...config,
    augmentation: { ...config.augmentation, rotationProbability: 0.2 },
  });
  assert.ok(turned.cropSize.every((edge, axis) => edge > turned.graph.find("image").spec.shape[2 + axis]));
});

Deno.test("buildPretrainGraph() plans every run preset", () => {
  const boundless = { ...plainDevice, maxBinding: 2 ** 40, maxBuffer: 2 ** 40 };
  for (const preset of Object.keys(runPresets)) {
    const { graph, phases } = buildPretrainGraph(resolveRunConfig({ preset }));
    verifyPlan(compile(graph, { device: boundless, phases }), boundless);
  }
});

/** Mean of `error(difference)` over the voxels that count. */
function meanError(a: Float32Array, b: Float32Array, counts: (i: number) => boolean, power: 1 | 2): number {
  let sum = 0, count = 0;
  for (let i = 0; i < a.length; i++) {
    if (!counts(i)) continue;
    sum += Math.abs(a[i] - b[i]) ** power;
    count++;
  }
  return sum / count;
}

for (const loss of lossNames.filter((name) => !name.startsWith("ms-ssim"))) {
  gpuTest(`loss ${loss} trains: its value is right and a step moves the weights`, async () => {
    // a seed whose untrained reconstruction resembles the patch a little: SSIM below 0 is cut off and has no gradient
    const config = tinyConfig({ loss, seed: 2, augmentation: { mirror: false } });
    using session = await PretrainSession.create(config, "auto");
    session.initialise();
    const { patch } = wavePatch(config, 0);
    const ratio = sampleRatio(config.seed, 0, config.mask.ratio);
    const mask = sampleBlockMask({
      patch: config.patch,
      block: config.mask.block,
      ratio,
      seed: config.seed,
      step: 0,
      sample: 0,
    });
    const { error, reconstruction } = await session.evaluate(patch, [mask], true);
    const visible = expandMask(mask.kept, mask.grid, config.patch);
    const masked = meanError(reconstruction!, patch, (i) => visible[i] === 0, 2);
    assertAllClose([error], [masked], { atol: 0, rtol: 1e-5 }, "masked squared error");
    const before = await session.exportState();
    session.trainStep(0, 0.01, [wavePatch(config, 0)]);
    const [metrics] = await session.readMetrics(0, 1);
    const everywhere = () => true;
    const wanted: Record<string, number> = {
      "mse": masked,
      "l1": meanError(reconstruction!, patch, (i) => visible[i] === 0, 1),
      "mse-all": meanError(reconstruction!, patch, everywhere, 2),
      "l1-all": meanError(reconstruction!, patch, everywhere, 1),
    };
    if (loss in wanted) assertAllClose([metrics.loss], [wanted[loss]], { atol: 0, rtol: 1e-5 }, loss);
    else assert.ok(metrics.loss > 0.05 && metrics.loss < 1.5, `${loss}: ${metrics.loss}`);
    assert.ok(metrics.finite && metrics.gradNorm > 0 && metrics.clipScale > 0 && metrics.clipScale <= 1);
    const after = await session.exportState();
    const name = "encoder.stages.1.blocks.0.conv2.conv.weight";
    assert.ok(!sameBytes(before.get(name)!.data, after.get(name)!.data));
    session.trainStep(1, 0.01, [wavePatch(config, 1)]);
    assert.ok((await session.readMetrics(1, 2))[0].finite);
  });
}

Deno.test("losses refuse patches below their windows and say which edge they want", () => {
  for (const loss of ["ms-ssim", "ms-ssim-masked"]) {
    assert.throws(() => buildPretrainGraph(tinyConfig({ loss, patch: [16, 96, 32] })), {
      name: "ShapeError",
      message: /height and width are 96x32, wanted at least 97: use a larger patch or the loss ssim/,
    });
    buildPretrainGraph(tinyConfig({ loss, patch: [16, 100, 100] }));
  }
  for (const loss of ["ssim", "ssim-masked"]) {
    assert.throws(() => buildPretrainGraph(tinyConfig({ loss, patch: [8, 8, 8] })), {
      name: "ShapeError",
      message:
        /volume 8x8x8 is smaller than the window of 11 in every axis: use a larger patch or the loss mse/,
    });
  }
});
