import assert from "node:assert/strict";
import { Graph } from "../../kernels/graph/graph.ts";
import { clampSlices, resizeAxis } from "../../kernels/ops/resize/op.ts";
import { axisTable, type ResizeOrder } from "../../kernels/ops/resize/taps.ts";
import { tensor } from "../../kernels/spec.ts";
import { gpuTest } from "../support/gpu.ts";
import { checkOp } from "../support/ops.ts";
import { toleranceFor } from "../support/tolerance.ts";

const AXES = [0, 1, 2] as const;
const ORDERS: readonly ResizeOrder[] = [0, 1, 3];

for (const order of ORDERS) {
  gpuTest(`resizeAxis() matches the reference along every axis, order ${order}`, async (gpu) => {
    for (const axis of AXES) {
      for (const size of [1, 4, 11]) {
        const shape = [2, 3, 5, 6, 7];
        const { taps, first, weights } = axisTable(shape[axis + 2], size, order);
        await checkOp(gpu, {
          op: resizeAxis,
          attrs: { axis },
          inputs: [
            { shape },
            { shape: [size], dtype: "i32", data: first },
            { shape: [size, taps], data: weights },
          ],
          tolerance: toleranceFor(taps),
        });
      }
    }
  });
}

gpuTest("resizeAxis() spreads more outputs than one dimension of workgroups holds", async (gpu) => {
  const limited = {
    ...gpu,
    facts: { ...gpu.facts, maxGroupsPerDimension: 7 },
    [Symbol.dispose]: () => {},
  };
  const { taps, first, weights } = axisTable(20, 33, 3);
  await checkOp(limited, {
    op: resizeAxis,
    attrs: { axis: 1 },
    inputs: [
      { shape: [1, 1, 30, 20, 11] },
      { shape: [33], dtype: "i32", data: first },
      { shape: [33, taps], data: weights },
    ],
    tolerance: toleranceFor(taps),
  });
});

gpuTest(
  "clampSlices() matches the reference with one range, and with one a slice of every axis",
  async (gpu) => {
    const shape = [2, 2, 3, 4, 5];
    for (const axis of [null, ...AXES]) {
      const slices = axis === null ? 1 : shape[axis + 2];
      const ranges = Float32Array.from(
        { length: 2 * slices },
        (_, i) => (i & 1 ? 0.2 : -0.4) + 0.05 * (i >> 1),
      );
      await checkOp(gpu, {
        op: clampSlices,
        attrs: { axis },
        inputs: [{ shape }, { shape: [slices, 2], data: ranges }],
        tolerance: { atol: 0, rtol: 0 },
      });
    }
  },
);

Deno.test("axisTable() has the response of the cubic spline: cubic polynomials are met, weights add up to 1", () => {
  const { taps, first, weights } = axisTable(80, 93, 3);
  const cubic = (x: number) => 1 + 0.02 * x - 0.0015 * x ** 2 + 0.00001 * x ** 3;
  for (let o = 20; o < 73; o++) {
    let sum = 0, total = 0;
    for (let k = 0; k < taps; k++) {
      sum += weights[o * taps + k] * cubic(first[o] + k);
      total += weights[o * taps + k];
    }
    assert.ok(Math.abs(total - 1) < 1e-7, `weights of ${o} add up to ${total}`);
    const wanted = cubic((o + 0.5) * 80 / 93 - 0.5);
    assert.ok(Math.abs(sum - wanted) < 1e-5, `${o}: found ${sum}, wanted ${wanted}`);
  }
});

Deno.test("axisTable() interpolates: at the samples themselves the spline has their values", () => {
  const { taps, first, weights } = axisTable(9, 27, 3); // every third output sample lies on an input sample
  for (let o = 1; o < 27; o += 3) {
    for (let k = 0; k < taps; k++) {
      const wanted = first[o] + k === (o - 1) / 3 ? 1 : 0;
      assert.ok(Math.abs(weights[o * taps + k] - wanted) < 1e-7, `${o}, ${k}: ${weights[o * taps + k]}`);
    }
  }
  assert.deepEqual([...axisTable(4, 8, 1).first], [-1, 0, 0, 1, 1, 2, 2, 3]);
  assert.deepEqual([...axisTable(4, 2, 0).first], [1, 3]);
});

Deno.test("resizeAxis() and clampSlices() refuse tables that do not fit", () => {
  const graph = new Graph();
  const x = graph.input("x", tensor([1, 1, 4, 5, 6]));
  const weights = graph.input("weights", tensor([8, 2]));
  const floats = graph.input("floats", tensor([8])), short = graph.input("short", tensor([7], "i32"));
  const refused = /first is (f32 \[8\]|i32 \[7\]), wanted i32 \[8\] as weights \[8,2\]/;
  for (const first of [floats, short]) {
    assert.throws(() => graph.apply(resizeAxis, [x, first, weights], { axis: 0 }), refused);
  }
  assert.throws(
    () => graph.apply(clampSlices, [x, weights], { axis: 1 }),
    /ranges have shape \[8,2\], wanted \[5, 2\]/,
  );
});
