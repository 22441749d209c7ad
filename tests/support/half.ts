/** Tests that need 16-bit floats, and the rule for skipping them. */
import type { Gpu } from "../../kernels/runtime/device.ts";
import { gpuTest, hasAdapter, testGpu } from "./gpu.ts";

/** Whether the tests' adapter has shader-f16; says once what is skipped when it has not. */
export const hasHalf: boolean = hasAdapter && (await testGpu()).facts.f16;
if (hasAdapter && !hasHalf) console.log("Tests of 16-bit floats are skipped: the adapter has no shader-f16");

/** Registers a test that needs a device with 16-bit floats. */
export function halfTest(name: string, run: (gpu: Gpu) => Promise<void>): void {
  if (hasHalf) gpuTest(name, run);
  else Deno.test({ name, ignore: true, fn: () => {} });
}
