import assert from "node:assert/strict";
import type { Gpu } from "../../kernels/runtime/device.ts";
import { buildPipelines } from "../../kernels/runtime/pipelines.ts";
import { StagingRing } from "../../kernels/runtime/transfer.ts";
import type { DeviceFacts } from "../../kernels/spec.ts";
import { input, kernel, output } from "../../kernels/wgsl/module.ts";
import { treeMoments, treeSum } from "../../kernels/wgsl/reduce.ts";
import { plainDevice } from "../support/device_facts.ts";
import { gpuTest, hasAdapter, testGpu } from "../support/gpu.ts";

/** One workgroup of `size` threads merges `values`, four a thread; what thread 0 and the last thread got. */
async function reduceOnGpu(
  gpu: Gpu,
  facts: DeviceFacts,
  size: number,
  values: Float32Array<ArrayBuffer>,
  moments: boolean,
): Promise<Float32Array> {
  const spec = kernel({
    label: "reduce",
    device: facts,
    bindings: [input(0, "x", "vec4f"), output(0, "y", "vec4f")],
    params: {},
    groups: 1,
    workgroupSize: size,
    declarations: moments ? treeMoments("tree", size, facts) : treeSum("tree", size, facts),
    body: `
let first = ${moments ? "treeMerge" : "treeSum"}(lid, x[lid]);
let again = ${moments ? "treeMerge" : "treeSum"}(lid, x[${size}u - 1u - lid]);
if (lid == 0u) { y[0] = first; y[1] = again; }
if (lid == ${size}u - 1u) { y[2] = first; y[3] = again; }`,
  });
  const { device } = gpu;
  const [pipeline] = await buildPipelines(gpu, [spec.source]);
  const buffer = (bytes: number, usage: number) => device.createBuffer({ size: bytes, usage });
  const x = buffer(values.byteLength, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST);
  const y = buffer(64, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  const params = buffer(spec.params.byteLength, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  device.queue.writeBuffer(x, 0, values);
  device.queue.writeBuffer(params, 0, spec.params);
  const entries = [x, y, params].map((item, binding) => ({ binding, resource: { buffer: item } }));
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  device.queue.submit([encoder.finish()]);
  using staging = new StagingRing(gpu);
  const result = new Float32Array(await staging.read(y, 0, 64));
  for (const item of [x, y, params]) item.destroy();
  return result;
}

/** Values of mixed sign and size, whose sum depends on its order. */
function unevenValues(count: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(i * 7.3) * 10 ** (i % 5));
}

/** The tree's sum in f32: value `i` plus value `i + half`, for half = size / 2 ... 1. */
function treeSumOnHost(values: Float32Array, size: number): Float32Array {
  const at = new Float32Array(values);
  for (let half = size / 2; half >= 1; half /= 2) {
    for (let k = 0; k < half * 4; k++) at[k] = Math.fround(at[k] + at[k + half * 4]);
  }
  return at.slice(0, 4);
}

const subgroupFacts = (size: number): DeviceFacts => ({
  ...plainDevice,
  subgroups: true,
  subgroupMinSize: size,
});

Deno.test("reductions use subgroups where the device has them, and nothing of them elsewhere", () => {
  assert.doesNotMatch(treeSum("tree", 64, plainDevice), /subgroup|lane/);
  assert.doesNotMatch(treeSum("tree", 64, { ...subgroupFacts(32), subgroups: false }), /subgroup|lane/);
  const source = (facts: DeviceFacts) =>
    kernel({
      label: "reduce",
      device: facts,
      bindings: [output(0, "y", "vec4f")],
      params: {},
      groups: 1,
      declarations: treeSum("tree", 64, facts),
      body: "y[lid] = treeSum(lid, vec4f());",
    }).source;
  assert.doesNotMatch(source(plainDevice), /enable/);
  assert.match(source(subgroupFacts(32)), /^enable subgroups;/);
  const barriers = (facts: DeviceFacts) => treeSum("tree", 64, facts).match(/workgroupBarrier/g)!.length;
  assert.deepEqual([1, 4, 32, 64, 128].map((size) => barriers(subgroupFacts(size))), [8, 6, 3, 2, 2]);
  assert.equal(barriers(plainDevice), 8);
});

/** The plain form on every device, and the one with subgroups where it runs. */
const forms = hasAdapter
  ? [...new Set([false, (await testGpu()).facts.subgroups])].map((subgroups) => ({ subgroups }))
  : [];
if (hasAdapter && forms.length === 1) {
  console.log("Tests of subgroup reductions are skipped: the adapter has no subgroups");
}

for (const form of forms) {
  const name = form.subgroups ? "with subgroups" : "without subgroups";
  for (const size of [2, 32, 64]) {
    gpuTest(`a tree of ${size} threads adds in its fixed order, ${name}`, async (gpu) => {
      const facts = { ...gpu.facts, ...form };
      const values = unevenValues(size * 4);
      const found = await reduceOnGpu(gpu, facts, size, values, false);
      const reversed = new Float32Array(values.length);
      for (let i = 0; i < size; i++) reversed.set(values.subarray(i * 4, i * 4 + 4), (size - 1 - i) * 4);
      const expected = [...treeSumOnHost(values, size), ...treeSumOnHost(reversed, size)];
      assert.deepEqual([...found], [...expected, ...expected]);
    });
  }
}

if (forms.length === 2) {
  gpuTest("moments with subgroups are the bytes of those without", async (gpu) => {
    const values = new Float32Array(64 * 4);
    for (let i = 0; i < 64; i++) values.set([i % 3, 1000 + Math.sin(i), Math.cos(i) ** 2, 0], i * 4);
    const plain = await reduceOnGpu(gpu, { ...gpu.facts, subgroups: false }, 64, values, true);
    const subgroups = await reduceOnGpu(gpu, gpu.facts, 64, values, true);
    assert.deepEqual([...subgroups], [...plain]);
    assert.equal(plain[0], 63, "the count");
  });
}
