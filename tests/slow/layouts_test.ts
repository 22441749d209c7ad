import { checkLayoutsExactly, checkLayoutsOnGpu } from "../model/layout_cases.ts";
import { gpuTest } from "../support/gpu.ts";

Deno.test("many random masked auto-encoders mean the same in both layouts, float64", () =>
  checkLayoutsExactly(1000, 1));

gpuTest(
  "many random masked auto-encoders agree between layouts on the GPU",
  (gpu) => checkLayoutsOnGpu(gpu, 60, 2),
);
