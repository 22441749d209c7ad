/** One device for all tests of a process, and the rule for skipping when there is none. */
import { type Gpu, openGpu, requestAdapter } from "../../kernels/runtime/device.ts";
import { type AdapterChoice, adapterChoice } from "../../kernels/runtime/provider.ts";

/** Adapter of the tests' device: SPARK3D_ADAPTER, one of `--adapter`'s values, or the platform's choice. */
const adapter: AdapterChoice = adapterChoice(Deno.env.get("SPARK3D_ADAPTER") ?? "auto");

let shared: Promise<Gpu> | null = null;

/** The test process's device; opened once, never closed before the process ends. */
export function testGpu(): Promise<Gpu> {
  shared ??= openGpu({ adapter });
  return shared;
}

/** Whether WebGPU has an adapter; says once why GPU tests are skipped when it has none. */
export const hasAdapter: boolean = await requestAdapter({ adapter }).then(() => true, (error) => {
  console.log(`GPU tests are skipped: ${error.message}`);
  return false;
});

/** Registers a test that needs a device. */
export function gpuTest(name: string, run: (gpu: Gpu) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !hasAdapter,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => await run(await testGpu()),
  });
}
