import assert from "node:assert/strict";
import { DeviceError } from "../../kernels/errors.ts";
import { describePlanFor } from "../../train/plan_report.ts";
import { LOSS_SCALE, resolvePrecision, SKIPS_IN_A_ROW } from "../../train/precision.ts";
import { resolveRunConfig } from "../../train/resolve_config.ts";
import { plainDevice } from "../support/device_facts.ts";
import { tinyConfig } from "./tiny_run.ts";

Deno.test("resolvePrecision() takes f16 on GPUs that have it, f32 on processors and elsewhere", () => {
  const chosen = (precision: "f32" | "f16" | "auto", f16: boolean, software: boolean) =>
    resolvePrecision({ ...tinyConfig(), precision }, { ...plainDevice, f16, software }).precision;
  assert.equal(chosen("auto", true, false), "f16");
  assert.equal(chosen("auto", true, true), "f32");
  assert.equal(chosen("auto", false, false), "f32");
  assert.equal(chosen("f32", true, false), "f32");
  assert.equal(chosen("f16", true, true), "f16");
  const config = tinyConfig({ precision: "auto" });
  assert.deepEqual(resolvePrecision(config, plainDevice), { ...config, precision: "f32" }, "the rest stays");
  assert.equal(resolveRunConfig({ preset: "paper" }).precision, "auto");
});

Deno.test("resolvePrecision() refuses f16 where shaders cannot use it", () =>
  assert.throws(
    () => resolvePrecision(tinyConfig({ precision: "f16" }), { ...plainDevice, f16: false }),
    (error) =>
      error instanceof DeviceError &&
      error.message ===
        "Cannot store activations as f16 on imaginary: it has no shader-f16, use --precision f32 or auto",
  ));

Deno.test("a loss scale that has to settle does not end a run", () => {
  const halvings = Math.log2(LOSS_SCALE.largest / LOSS_SCALE.smallest);
  assert.ok(Number.isInteger(halvings) && Number.isInteger(Math.log2(LOSS_SCALE.initial)));
  assert.ok(SKIPS_IN_A_ROW > halvings);
});

for (const layout of ["blocks", "dense-masked"] as const) {
  Deno.test(`ResEnc-L at 96^3 needs at most 0.55 of the activation memory in f16, ${layout}`, () => {
    const facts = { ...plainDevice, f16: true, maxBinding: 2 ** 40, maxBuffer: 2 ** 40 };
    const bytes = (precision: string) => {
      const flags = { patch: [96, 96, 96], layout, precision };
      return describePlanFor(resolveRunConfig({ preset: "paper", flags }), facts).transientBytes;
    };
    const [narrow, single] = [bytes("f16"), bytes("f32")];
    assert.ok(narrow <= 0.55 * single, `f16 ${narrow} bytes, f32 ${single} bytes`);
  });
}
