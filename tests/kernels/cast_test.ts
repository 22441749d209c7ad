import assert from "node:assert/strict";
import { LimitError, ShapeError } from "../../kernels/errors.ts";
import { differentiate } from "../../kernels/graph/gradient.ts";
import { Graph } from "../../kernels/graph/graph.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { cast } from "../../kernels/ops/cast/op.ts";
import { elementCount, tensor } from "../../kernels/spec.ts";
import { gpuTest } from "../support/gpu.ts";
import { halfTest } from "../support/half.ts";
import { checkGradient, checkOp, noise, runOnGpu } from "../support/ops.ts";
import { toleranceFor } from "../support/tolerance.ts";

gpuTest(
  "cast() from f32 to f32 is a copy, and so is its gradient",
  (gpu) =>
    checkOp(gpu, {
      op: cast,
      attrs: { to: "f32" },
      inputs: [{ shape: [2, 3, 5] }],
      tolerance: toleranceFor(0),
    }),
);

Deno.test("cast() gradient matches finite differences", () =>
  checkGradient({ op: cast, attrs: { to: "f16" }, inputs: [{ shape: [3, 5] }], tolerance: toleranceFor(0) }));

/** Values on either side of what 16-bit floats can hold exactly. */
const EDGES = [0, 1, -1, 2048, 2049, 65504, 2 ** -14, 2 ** -24, 1 / 3, -0.1];

for (const shape of [[1], [3, 5], [2, 3, 7, 5, 11]]) {
  halfTest(`cast() to f16 and back rounds to the nearest 16-bit float: ${shape.join("x")}`, async (gpu) => {
    const graph = new Graph();
    const x = graph.input("x", tensor(shape));
    const [narrow] = graph.apply(cast, [x], { to: "f16" });
    assert.equal(narrow.spec.dtype, "f16");
    const [wide] = graph.apply(cast, [narrow], { to: "f32" });
    const data = noise(elementCount(shape), 3);
    EDGES.slice(0, data.length).forEach((v, i) => data[i] = v);
    const [found] = await runOnGpu(gpu, graph, new Map([[x, data]]), [wide], { poison: true });
    data.forEach((v, i) => {
      // WGSL leaves the rounding direction and the treatment of subnormal numbers to the device
      const down = Math.abs(v) < 2 ** -14 ? 2 ** -14 : Math.abs(v) * 2 ** -10;
      assert.ok(Math.abs(found[i] - v) <= down, `element ${i}: found ${found[i]} for ${v}`);
      if (Math.f16round(v) === v && Math.abs(v) >= 2 ** -14) {
        assert.equal(found[i], v, `element ${i} is exact`);
      }
    });
  });
}

halfTest("cast() to f16 makes what is too large infinite", async (gpu) => {
  const graph = new Graph();
  const x = graph.input("x", tensor([8]));
  const [narrow] = graph.apply(cast, [x], { to: "f16" });
  const data = Float32Array.of(65504, -65504, 65600, -65600, 1e38, Infinity, -Infinity, NaN);
  const [found] = await runOnGpu(gpu, graph, new Map([[x, data]]), [narrow]);
  const inf = Infinity;
  assert.deepEqual([...found], [65504, -65504, inf, -inf, inf, inf, -inf, NaN]);
});

halfTest("cast() passes the gradient through both directions", async (gpu) => {
  const graph = new Graph();
  const x = graph.input("x", tensor([2, 9]));
  const seed = graph.input("seed", tensor([2, 9]));
  const [narrow] = graph.apply(cast, [x], { to: "f16" });
  const [wide] = graph.apply(cast, [narrow], { to: "f32" });
  const dx = differentiate(graph, { seeds: new Map([[wide, seed]]), wrt: [x], add }).get(x)!;
  assert.equal(dx.spec.dtype, "f32");
  const gradient = Float32Array.from({ length: 18 }, (_, i) => (i - 9) / 8);
  const [found] = await runOnGpu(gpu, graph, new Map([[x, noise(18, 1)], [seed, gradient]]), [dx]);
  found.forEach((v, i) => assert.equal(v, gradient[i]));
});

gpuTest("cast() to f16 says what to do on a device without 16-bit floats", (gpu) => {
  const facts = { ...gpu.facts, adapter: "old card", f16: false };
  const request = {
    attrs: { to: "f16" as const },
    inPlace: [],
    accumulate: [],
    recompute: false,
    device: facts,
  };
  const inputs = [tensor([4])];
  assert.throws(
    () => cast.lower({ ...request, inputs, outputs: cast.infer(inputs, request.attrs) }),
    (error) =>
      error instanceof LimitError &&
      error.message ===
        "Cannot lower cast f32 to f16 4: needs 16-bit floats, adapter old card has no shader-f16: use precision f32",
  );
  return Promise.resolve();
});

Deno.test("cast() refuses integers", () =>
  assert.throws(() => cast.infer([tensor([2], "u32")], { to: "f16" }), ShapeError));
