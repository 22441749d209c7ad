import assert from "node:assert/strict";
import { LimitError } from "../../kernels/errors.ts";
import type { DeviceFacts } from "../../kernels/spec.ts";
import { explainLimit, resizablePretraining } from "../../train/largest_fit.ts";
import { describePlan, describePlanFor, peakText } from "../../train/plan_report.ts";
import { resolveRunConfig } from "../../train/resolve_config.ts";
import { plainDevice } from "../support/device_facts.ts";
import { gpuTest } from "../support/gpu.ts";
import { tinyConfig } from "./tiny_run.ts";

/** A large GPU: bindings and buffers of 4 GiB less a word. */
const large: DeviceFacts = { ...plainDevice, maxBinding: 2 ** 32 - 4, maxBuffer: 2 ** 32 - 4 };

/** Published multiply-adds of ResEnc-L at 160^3, GMAC forward. */
const FORWARD: Record<string, number> = {
  "encoder stem": 3.54,
  "encoder stage 0": 226.49,
  "encoder stage 1": 312.48,
  "encoder stage 2": 212.86,
  "encoder stage 3": 163.05,
  "encoder stage 4": 32.71,
  "encoder stage 5": 4.15,
  "decoder 0 transposed": 0.10,
  "decoder 0": 5.53,
  "decoder 1 transposed": 0.66,
  "decoder 1": 28.31,
  "decoder 2 transposed": 2.10,
  "decoder 2": 56.62,
  "decoder 3 transposed": 4.19,
  "decoder 3": 113.25,
  "decoder 4 transposed": 8.39,
  "decoder 4": 226.49,
  "head 4": 0.13,
};
const DENSIFICATION: Record<string, number> = {
  "densification 1": 56.62,
  "densification 2": 28.31,
  "densification 3": 14.16,
  "densification 4": 2.76,
  "densification 5": 0.35,
};

/** Asserts that two numbers agree to a hundredth, the last digit of the published table. */
function agrees(found: number, wanted: number, what: string, digit = 0.01): void {
  assert.ok(
    Math.abs(found / 1e9 - wanted) <= digit / 2 + 1e-9,
    `${what}: ${found / 1e9} GMAC, wanted ${wanted}`,
  );
}

for (const kind of ["mae", "s3d"] as const) {
  Deno.test(`describePlanFor() counts the published multiply-adds of ResEnc-L at 160^3, ${kind}`, () => {
    const config = resolveRunConfig({
      preset: "paper",
      flags: { network: { kind }, layout: "dense-masked" },
    });
    const plan = describePlanFor(config, large);
    const wanted = kind === "mae" ? FORWARD : { ...FORWARD, ...DENSIFICATION };
    const found = Object.fromEntries(plan.convMacs.map(({ part, forward }) => [part, forward]));
    assert.deepEqual(Object.keys(found).sort(), Object.keys(wanted).sort());
    for (const [part, gmac] of Object.entries(wanted)) agrees(found[part], gmac, part);
    agrees(plan.convMacsForward, kind === "mae" ? 1401.05 : 1503.25, "forward", 0.02);
    agrees(plan.convMacsTraining, kind === "mae" ? 4199.6 : 4506.2, "forward and backward", 0.1);
    assert.equal(plan.parameters, kind === "mae" ? 102_348_965 : 110_203_205);
    assert.ok(plan.fits && plan.refusal === null && plan.largestPatch === null);
    // the largest tensor is the upsampled finest level: 32 channels of 160^3 voxels
    assert.ok(plan.largestBindingBytes >= 4 * 32 * 160 ** 3);
    assert.equal(plan.peakBytes, plan.persistentBytes + plan.transientBytes);
    assert.ok(plan.persistentBytes > 3 * 4 * plan.parameters, "weights, gradients and velocities");
    assert.match(plan.text, /^patch 160x160x160, micro-batch 1, f32, on imaginary\n/);
    assert.match(plan.text, /\nfits this adapter$/);
    assert.match(plan.text, /\n {2}total +\d+\.\d\d +\d+\.\d\d\n/);
  });
}

Deno.test("describePlanFor() tells what both layouts take: blocks at most 0.55 of the activations at 75 %", () => {
  const ratio = { kind: "fixed", value: 0.75 };
  const [blocks, masked] = ["blocks", "dense-masked"].map((layout) =>
    describePlanFor(resolveRunConfig({ preset: "paper", flags: { layout, mask: { ratio } } }), large)
  );
  assert.deepEqual([blocks.layout, blocks.keptBlocks, blocks.gridBlocks], ["blocks", 250, 1000]);
  for (const [own, other] of [[blocks, masked], [masked, blocks]]) {
    const { layout, peakBytes, transientBytes, convMacsTraining } = other;
    assert.deepEqual(own.otherLayout, { layout, peakBytes, transientBytes, convMacsTraining });
  }
  assert.ok(blocks.transientBytes <= 0.55 * masked.transientBytes);
  assert.ok(blocks.convMacsTraining <= masked.convMacsTraining / 2.04);
  assert.match(
    blocks.text,
    /\nlayout blocks, room for 250 of 1000 a sample; dense-masked would take [\d.]+ GiB of activations and 4506.\d\d GMAC\n/,
  );
  assert.match(masked.text, /\nlayout dense-masked; blocks would take /);
  const tiny = tinyConfig();
  const plain = describePlanFor({ ...tiny, network: { ...tiny.network, kind: "mae" } }, plainDevice);
  assert.equal(plain.otherLayout, null);
  assert.match(plain.text, /\nlayout dense-masked\n/);
});

Deno.test("describePlanFor() refuses with the largest patch that fits: it does, the next does not", () => {
  const config = resolveRunConfig({ preset: "paper" });
  const device = { ...plainDevice, maxBinding: 2 ** 28, maxBuffer: 2 ** 28 };
  const plan = describePlanFor(config, device);
  assert.ok(!plan.fits && plan.largestPatch !== null);
  const edge = plan.largestPatch;
  assert.equal(edge, 128, "32 channels of 128^3 voxels are 256 MiB");
  assert.equal(plan.refusal!.split("\n").length, 1);
  assert.match(plan.refusal!, new RegExp(`: use patch ${edge} or less, or another adapter$`));
  assert.ok(plan.text.endsWith(plan.refusal!));
  const fits = (n: number) => describePlanFor({ ...config, patch: [n, n, n] }, device).fits;
  assert.ok(fits(edge), `patch ${edge} fits`);
  assert.ok(!fits(edge + 32), `patch ${edge + 32} does not`);
});

Deno.test("describePlanFor() refuses with the largest micro-batch that fits too, a divisor of the batch", () => {
  const config = tinyConfig({ patch: [32, 32, 32], batch: { size: 12, micro: 12 } });
  // the widest maps have 4 channels: 512 KiB a patch
  const device = { ...plainDevice, maxBinding: 2 ** 22, maxBuffer: 2 ** 22 };
  const plan = describePlanFor(config, device);
  const fits = (micro: number) => describePlanFor({ ...config, batch: { size: 12, micro } }, device).fits;
  assert.ok(!plan.fits && plan.largestMicroBatch !== null && plan.largestPatch !== null);
  assert.ok(fits(plan.largestMicroBatch), `micro-batch ${plan.largestMicroBatch} fits`);
  assert.ok(![4, 6, 12].filter((n) => n > plan.largestMicroBatch!).some(fits), "no larger divisor does");
  assert.match(
    plan.refusal!,
    new RegExp(
      `: use micro-batch ${plan.largestMicroBatch}, patch ${plan.largestPatch} or less, or another adapter$`,
    ),
  );
});

Deno.test("describePlanFor() recomputes to stay within the memory limit, or refuses with the smaller run that does", () => {
  const gib = (bytes: number) => bytes / 2 ** 30;
  const config = tinyConfig({ patch: [32, 32, 32], batch: { size: 2, micro: 2 } });
  const within = (limit: number) =>
    describePlanFor({ ...config, memory: { ...config.memory, limit } }, plainDevice);
  const free = describePlanFor(config, plainDevice);
  const all = describePlanFor({ ...config, memory: { limit: null, recompute: "all" } }, plainDevice);
  assert.ok(free.recomputed === 0 && all.recomputed > 0 && all.peakBytes < free.peakBytes);
  const between = within(gib((free.peakBytes + all.peakBytes) / 2));
  assert.ok(between.fits && between.recomputed > 0 && between.recomputed <= all.recomputed);
  assert.ok(between.peakBytes <= (free.peakBytes + all.peakBytes) / 2);
  assert.match(between.text, /, \d+ dispatches recompute\n/);
  const tight = within(gib(all.peakBytes * 0.7));
  assert.ok(!tight.fits);
  assert.equal(tight.largestMicroBatch, 1);
  assert.match(
    tight.refusal!,
    /^Cannot plan within .*, recomputing included: use micro-batch 1, patch \d+ or less, a larger memory limit, or another adapter$/,
  );
});

Deno.test("the peak's rows add up to what is alive at once", () => {
  const plan = describePlanFor(tinyConfig(), plainDevice);
  const total = plan.peak.reduce((sum, row) => sum + row.bytes, 0);
  // slots are larger than what is alive (a tiny network's tensors fall into few of them), and some outputs are bound by no kernel
  assert.ok(
    total <= plan.transientBytes && total > 0.8 * plan.transientBytes,
    `${total} of ${plan.transientBytes}`,
  );
  assert.ok(plan.peak.some((row) => row.part === "encoder stage 0" && row.op === "conv3d"));
  const lines = peakText(plan).split("\n");
  assert.match(lines[0], /^alive when activations take most \(.*\):$/);
  assert.ok(
    lines.some((line) => /^ +[\d.]+ [KM]iB +\d+ {2}encoder stage 0: conv3d$/.test(line)),
    lines.join("\n"),
  );
});

Deno.test("describePlanFor() looks for a patch above the least that the loss takes", () => {
  for (const layout of ["dense-masked", "blocks"]) {
    const config = tinyConfig({ patch: [160, 160, 160], loss: "ms-ssim", layout });
    // its five moments of 116^3 voxels are below 32 MiB, those of 120^3 above; below 97 voxels it cannot be computed
    assert.equal(describePlanFor(config, { ...plainDevice, maxBinding: 2 ** 25 }).largestPatch, 116);
    assert.equal(describePlanFor(config, { ...plainDevice, maxBinding: 2 ** 23 }).largestPatch, null);
  }
});

Deno.test("describePlanFor() says so when no patch of a network fits", () => {
  const config = tinyConfig({ patch: [32, 32, 32] });
  const plan = describePlanFor(config, { ...plainDevice, maxBinding: 512, maxBuffer: 512 });
  assert.deepEqual([plan.fits, plan.largestPatch], [false, null]);
  assert.match(plan.refusal!, /: no patch of this network fits, use a smaller network or another adapter$/);
});

Deno.test("explainLimit() leaves other errors alone", () => {
  const error = new Error("something else");
  const run = resizablePretraining(tinyConfig({ patch: [32, 32, 32] }), plainDevice);
  assert.equal(explainLimit(error, () => run), error);
  const limit = new LimitError("Cannot bind x: needs 2 MiB: use a smaller patch or another adapter", {
    value: "x",
    need: 2 ** 21,
    max: 2 ** 20,
  });
  const explained = explainLimit(limit, () => run) as LimitError;
  assert.equal(explained.message, "Cannot bind x: needs 2 MiB: use patch 28 or less, or another adapter");
  assert.deepEqual(explained.details, limit.details);
});

gpuTest("describePlan() asks the adapter and allocates nothing", async (gpu) => {
  const createBuffer = GPUDevice.prototype.createBuffer;
  let buffers = 0;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    buffers++;
    return createBuffer.call(this, descriptor);
  };
  try {
    const started = performance.now();
    const plan = await describePlan({ config: resolveRunConfig({ preset: "paper" }) });
    const seconds = (performance.now() - started) / 1000;
    assert.equal(plan.adapter, gpu.facts.adapter);
    assert.ok(seconds < 10, `planning took ${seconds} s`);
    assert.equal(buffers, 0);
  } finally {
    GPUDevice.prototype.createBuffer = createBuffer;
  }
});
