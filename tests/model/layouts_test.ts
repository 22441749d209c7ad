import { gpuTest } from "../support/gpu.ts";
import { checkLayoutsExactly, checkLayoutsOnGpu } from "./layout_cases.ts";

Deno.test("random masked auto-encoders mean the same in both layouts: float64, output and every gradient", () =>
  checkLayoutsExactly(60, 7));

gpuTest(
  "random masked auto-encoders agree between layouts on the GPU: output and every gradient",
  (gpu) => checkLayoutsOnGpu(gpu, 2, 11),
);
