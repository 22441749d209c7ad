import assert from "node:assert/strict";
import { DeviceError } from "../../kernels/errors.ts";
import { adapterFacts, type Gpu, guarded, openGpu } from "../../kernels/runtime/device.ts";
import { Executor } from "../../kernels/runtime/executor.ts";
import { buildPipelines } from "../../kernels/runtime/pipelines.ts";
import { gpuTest } from "../support/gpu.ts";
import { deviceError, smallGraph } from "../support/small_graph.ts";

Deno.test("openGpu() says what is missing when the runtime has no WebGPU", async () => {
  const navigator = Object.getOwnPropertyDescriptor(globalThis, "navigator")!;
  Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  try {
    await assert.rejects(
      openGpu(),
      deviceError(
        "Cannot open a GPU: this runtime has no navigator.gpu, wanted Deno 2 or a browser with WebGPU",
        "no-webgpu",
      ),
    );
  } finally {
    Object.defineProperty(globalThis, "navigator", navigator);
  }
});

Deno.test("openGpu() says what to install when there is no adapter", async () => {
  const asked: GPURequestAdapterOptions[] = [];
  const gpu = {
    requestAdapter: (options: GPURequestAdapterOptions) => {
      asked.push(options);
      return Promise.resolve(null);
    },
  } as unknown as GPU;
  await assert.rejects(
    openGpu({ gpu, adapter: "low" }),
    deviceError(
      "Cannot open a GPU: WebGPU found no low adapter, wanted a Vulkan, Metal or DirectX 12 driver: install your GPU vendor's " +
        "driver, or software Vulkan (Debian: apt-get install libvulkan1 mesa-vulkan-drivers)",
      "no-adapter",
    ),
  );
  await assert.rejects(openGpu({ gpu }), /WebGPU found no adapter, wanted/);
  await assert.rejects(openGpu({ gpu, adapter: "software" }), /WebGPU found no software adapter/);
  assert.deepEqual(asked, [
    { powerPreference: "low-power", forceFallbackAdapter: false },
    { powerPreference: undefined, forceFallbackAdapter: false },
    { powerPreference: undefined, forceFallbackAdapter: true },
  ]);
});

Deno.test("adapterFacts() knows a processor's driver by its flag or its name, and what subgroups it offers", () => {
  const facts = (
    description: string,
    isFallbackAdapter: boolean,
    features: string[],
    subgroupMinSize?: number,
  ) =>
    adapterFacts({
      limits: { maxStorageBufferBindingSize: 2 ** 32, maxBufferSize: 2 ** 32 },
      info: { description, vendor: "", device: "", isFallbackAdapter, subgroupMinSize },
      features: new Set(features),
    } as unknown as GPUAdapter);
  assert.equal(facts("Some card", false, []).software, false);
  assert.equal(facts("Some driver", true, []).software, true);
  assert.equal(facts("llvmpipe (LLVM 15.0.6, 256 bits)", false, []).software, true);
  assert.equal(facts("SwiftShader Device (Subzero)", false, []).software, true);
  assert.equal(facts("Microsoft Basic Render Driver", false, []).software, true);
  const card = facts("Some card", false, ["subgroups"], 32);
  assert.deepEqual([card.subgroups, card.subgroupMinSize], [true, 32]);
  const old = facts("Some card", false, []);
  assert.deepEqual([old.subgroups, old.subgroupMinSize], [false, 0]);
});

gpuTest("openGpu() passes on why the driver refused a device", async () => {
  const real = await navigator.gpu.requestAdapter();
  const adapter = {
    limits: real!.limits,
    info: real!.info,
    features: real!.features,
    requestDevice: () => Promise.reject(new TypeError("limit too high")),
  };
  const gpu = { requestAdapter: () => Promise.resolve(adapter) } as unknown as GPU;
  await assert.rejects(
    openGpu({ gpu }),
    deviceError(/the driver refused a device .*limit too high/, "refused"),
  );
});

gpuTest("openGpu() asks for every useful limit of the adapter", async (gpu) => {
  const adapter = (await navigator.gpu.requestAdapter())!;
  const { device, facts } = gpu;
  assert.equal(device.limits.maxStorageBufferBindingSize, adapter.limits.maxStorageBufferBindingSize);
  assert.equal(device.limits.maxBufferSize, adapter.limits.maxBufferSize);
  assert.equal(device.limits.maxStorageBuffersPerShaderStage, facts.maxStorageBindings);
  assert.equal(device.limits.maxComputeWorkgroupStorageSize, facts.maxWorkgroupBytes);
  assert.equal(device.features.has("shader-f16"), facts.f16);
  assert.equal(device.features.has("timestamp-query"), facts.timestamps);
  assert.ok(facts.adapter.length > 0);
});

gpuTest("a lost device resolves `failed` and ends what waits for it", async () => {
  const gpu = await openGpu();
  const { plan } = smallGraph();
  using executor = await Executor.create(gpu, plan(gpu));
  gpu.device.destroy();
  const failure = await gpu.failed;
  deviceError(/^GPU device was lost \(.*\): resume from the last checkpoint/, "lost")(failure);
  await assert.rejects(executor.read("y"), DeviceError);
});

gpuTest("disposing of a device is no failure", async () => {
  const gpu = await openGpu();
  gpu[Symbol.dispose]();
  await gpu.device.lost;
  const first = await Promise.race([gpu.failed, new Promise((done) => setTimeout(() => done("quiet"), 50))]);
  assert.equal(first, "quiet");
});

gpuTest("an error outside every scope resolves `failed` with the driver's words", async () => {
  using gpu = await openGpu();
  gpu.device.createBuffer({ size: 2 ** 50, usage: GPUBufferUsage.STORAGE });
  deviceError(/^GPU error: /, "uncaptured")(await gpu.failed);
});

gpuTest("finish() throws the failure of the device", async () => {
  using gpu = await openGpu();
  const { plan } = smallGraph();
  using executor = await Executor.create(gpu, plan(gpu));
  await executor.finish();
  gpu.device.createBuffer({ size: 2 ** 50, usage: GPUBufferUsage.STORAGE });
  await gpu.failed;
  await assert.rejects(
    executor.finish(),
    deviceError(/^GPU error: /, "uncaptured"),
  );
});

gpuTest("guarded() turns validation errors into exceptions", async (gpu) => {
  await assert.rejects(
    guarded(
      gpu,
      "allocate the plan",
      () => gpu.device.createBuffer({ size: 2 ** 50, usage: GPUBufferUsage.STORAGE }),
    ),
    deviceError(/^Cannot allocate the plan: .*1125899906842624/, "validation"),
  );
  await assert.rejects(guarded(gpu, "fail", () => Promise.reject(new RangeError("own error"))), RangeError);
  assert.equal(await guarded(gpu, "work", () => 42), 42);
});

Deno.test("guarded() says what to do when memory runs out", async () => {
  const scopes: string[] = [];
  const device = {
    pushErrorScope: (filter: string) => scopes.push(filter),
    popErrorScope: () =>
      Promise.resolve(scopes.pop() === "out-of-memory" ? { message: "no heap left" } : null),
  };
  await assert.rejects(
    guarded({ device } as unknown as Gpu, "allocate the plan", () => 1),
    deviceError(
      "Cannot allocate the plan: the GPU is out of memory (no heap left): use a smaller patch or batch",
      "out-of-memory",
    ),
  );
  assert.deepEqual(scopes, []);
});

gpuTest("a kernel that does not compile is shown with line, column and text", async (gpu) => {
  const source = [
    "@group(0) @binding(0) var<storage, read_write> y: array<f32>;",
    "@compute @workgroup_size(1)",
    "fn main() {",
    "  y[0] = nonsense(1.0);",
    "}",
  ].join("\n");
  await assert.rejects(
    buildPipelines(gpu, [source]),
    deviceError(
      /^Cannot compile a kernel at line 4, column \d+: y\[0\] = nonsense\(1\.0\);\n.*nonsense/s,
      "wgsl",
    ),
  );
  const { plan } = smallGraph();
  const wrong = plan(gpu);
  await assert.rejects(
    Executor.create(gpu, {
      ...wrong,
      sources: wrong.sources.map((s) => s.replace("out[i] =", "out[i] = missing +")),
    }),
    deviceError(/^Cannot compile a kernel at line \d+, column \d+: .*out\[i\] = missing \+/, "wgsl"),
  );
});

gpuTest("a kernel without `main` is refused", (gpu) =>
  assert.rejects(
    buildPipelines(gpu, ["@compute @workgroup_size(1) fn other() {}"]),
    deviceError(/^Cannot build a compute pipeline: /, "pipeline"),
  ));
