import assert from "node:assert/strict";
import { Executor, uniformStride } from "../../kernels/runtime/executor.ts";
import type { Gpu } from "../../kernels/runtime/device.ts";
import { verifyPlan } from "../../kernels/graph/verify.ts";
import { elementCount, type Plan } from "../../kernels/spec.ts";
import { initialValues } from "../../model/parameters.ts";
import { hashRandom } from "../../data/random.ts";
import { compileRun } from "../../train/compile_run.ts";
import type { RunConfig } from "../../train/config.ts";
import { buildPretrainGraph } from "../../train/step.ts";
import { gpuTest } from "../support/gpu.ts";
import { noise } from "../support/ops.ts";
import { tinyConfig } from "./tiny_run.ts";

/** Gradients and loss of two micro-batches of a run, in poison mode, and its plan. */
async function gradientsOf(
  gpu: Gpu,
  config: RunConfig,
): Promise<{ plan: Plan; gradients: Map<string, Float32Array> }> {
  const built = buildPretrainGraph(config);
  const plan = compileRun(built, config, gpu.facts);
  verifyPlan(plan, gpu.facts);
  using executor = await Executor.create(gpu, plan, { poison: true });
  built.graph.parameters.forEach((p, i) =>
    executor.parameters.write(p.name, initialValues(p.init!, p.spec.shape, hashRandom(7, i)))
  );
  executor.clearAccumulators();
  for (const seed of [1, 2]) {
    executor.write("image", noise(elementCount(plan.named.image.spec.shape), seed));
    const cells = elementCount(plan.named.mask.spec.shape);
    executor.write("mask", Float32Array.from({ length: cells }, (_, i) => (i + seed) % 4 === 0 ? 1 : 0));
    executor.run("micro");
  }
  const gradients = new Map<string, Float32Array>();
  for (const [name, { role }] of Object.entries(plan.named)) {
    if (role === "gradient") gradients.set(name, await executor.read(name));
  }
  return { plan, gradients };
}

gpuTest("gradients of a run are the same to the bit with and without recomputing", async (gpu) => {
  const config = tinyConfig({
    network: { preset: "tiny", features: [4, 6, 8], blocks: [2, 1, 1] },
    batch: { size: 2, micro: 1 },
    layout: "dense-masked",
  });
  const [off, all] = await Promise.all(
    (["off", "all"] as const).map((recompute) =>
      gradientsOf(gpu, { ...config, memory: { limit: null, recompute } })
    ),
  );
  const remade = all.plan.phases.micro.filter((d) => d.remakes.length > 0);
  assert.ok(remade.some((d) => d.op === "instanceNorm"), "norms are made again");
  assert.ok(off.plan.phases.micro.every((d) => d.remakes.length === 0));
  assert.ok(all.plan.report.transientBytes < 0.85 * off.plan.report.transientBytes);
  assert.deepEqual([...all.gradients.keys()], [...off.gradients.keys()]);
  for (const [name, wanted] of off.gradients) {
    const found = all.gradients.get(name)!;
    const words = [found, wanted].map((t) => new Uint32Array(t.buffer, t.byteOffset, t.length));
    const at = words[0].findIndex((word, i) => word !== words[1][i]);
    assert.equal(at, -1, `${name}[${at}]: ${found[at]} where ${wanted[at]} was wanted`);
    assert.ok(wanted.every(Number.isFinite), `${name} is finite`);
  }
  assert.ok(off.gradients.get("gradients.0")!.some((g) => g !== 0));
});

gpuTest("an executor holds what the plan says, uniform blocks and staging apart", async (gpu) => {
  const createBuffer = GPUDevice.prototype.createBuffer;
  let created = 0;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    created += descriptor.size;
    return createBuffer.call(this, descriptor);
  };
  try {
    const config = tinyConfig();
    const plan = compileRun(buildPretrainGraph(config), config, gpu.facts);
    using executor = await Executor.create(gpu, plan);
    await executor.read("maskedError");
    assert.equal(executor.allocatedBytes, created);
    const dispatches = Object.values(plan.phases).flat().length;
    const staging = 4096;
    assert.equal(executor.allocatedBytes, plan.report.peakBytes + uniformStride(plan) * dispatches + staging);
  } finally {
    GPUDevice.prototype.createBuffer = createBuffer;
  }
});
