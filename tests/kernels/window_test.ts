import assert from "node:assert/strict";
import { Graph } from "../../kernels/graph/graph.ts";
import { interpret } from "../../kernels/graph/interpret.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { addWindow } from "../../kernels/ops/window/add_window.ts";
import { labelVoxels, type LabelVoxelsAttrs } from "../../kernels/ops/window/label_voxels.ts";
import { mirror } from "../../kernels/ops/window/mirror.ts";
import { sampleLogits } from "../../kernels/ops/window/sample_logits.ts";
import type { SamplingAttrs } from "../../kernels/ops/window/sampling.ts";
import { Executor } from "../../kernels/runtime/executor.ts";
import type { Gpu } from "../../kernels/runtime/device.ts";
import { tensor } from "../../kernels/spec.ts";
import { gpuTest } from "../support/gpu.ts";
import { checkOp, noise } from "../support/ops.ts";
import { assertAllClose, toleranceFor } from "../support/tolerance.ts";

const EXACT = { atol: 0, rtol: 0 };
const RING = [5, 3, 4, 6];

gpuTest("mirror() flips the flagged axes and no others", async (gpu) => {
  for (const flags of [[0, 0, 0], [1, 0, 1], [0, 1, 0]]) {
    await checkOp(gpu, {
      op: mirror,
      attrs: {},
      inputs: [{ shape: [2, 2, 3, 4, 5] }, { shape: [3], dtype: "i32", data: Int32Array.from(flags) }],
      tolerance: EXACT,
    });
  }
});

gpuTest("addWindow() adds where the ring wraps, rows stick out and axes are mirrored", async (gpu) => {
  for (const place of [[4, -1, 2, 0, 1, 1], [1, 2, 0, 1, 0, 0]]) {
    await checkOp(gpu, {
      op: addWindow,
      attrs: {},
      inputs: [
        { shape: RING },
        { shape: [1, 3, 4, 3, 4] },
        { shape: [11] },
        { shape: [6], dtype: "i32", data: Int32Array.from(place) },
      ],
      tolerance: toleranceFor(4),
    });
  }
});

/** Taps of a 2 x 3 x 3 box, valid positions of the ring. */
const TAPS = Int32Array.of(4, 0, 1, 2, 0, 0, 0, 1, 3, 3, 5, 4, 2, 3, 0, 1);
const FRACTIONS = Float32Array.of(0.25, 0.5, 0, 0.75, 0.1, 0.3, 0.6, 0.9);
const BOX = [2, 3, 3] as const;
const LINEAR: readonly SamplingAttrs["linear"][] = [[false, false, false], [true, true, true], [
  false,
  true,
  true,
]];

gpuTest("sampleLogits() matches the reference for every activation and set of linear axes", async (gpu) => {
  for (const [i, linear] of LINEAR.entries()) {
    const activation = (["none", "softmax", "sigmoid"] as const)[i];
    await checkOp(gpu, {
      op: sampleLogits,
      attrs: { box: BOX, linear, activation },
      inputs: [{ shape: RING }, { shape: [8, 2], dtype: "i32", data: TAPS }, { shape: [8], data: FRACTIONS }],
      tolerance: toleranceFor(16),
    });
  }
});

/** Labels and flag on the GPU and by the reference. */
async function labels(gpu: Gpu, attrs: LabelVoxelsAttrs, ring: Float32Array<ArrayBuffer>) {
  const graph = new Graph();
  const inputs = [
    graph.input("ring", tensor(RING)),
    graph.input("taps", tensor([8, 2], "i32")),
    graph.input("fractions", tensor([8])),
    graph.input("values", tensor([3], "i32")),
    graph.state("flag", tensor([1], "u32")),
  ];
  const outputs = graph.apply(labelVoxels, inputs, attrs);
  graph.output("labels", outputs[0]);
  const feeds = [ring, TAPS, FRACTIONS, Int32Array.of(7, 250, 3)];
  const plan = compile(graph, { device: gpu.facts, phases: { run: outputs } });
  using executor = await Executor.create(gpu, plan);
  feeds.forEach((data, i) => executor.write(inputs[i].name, data));
  executor.run("run");
  const read = async (name: string) => Uint32Array.from(new Uint32Array(await executor.readBytes(name)));
  const known = new Map(inputs.map((v, i) => [v, Float64Array.from(feeds[i] ?? [0])]));
  const wanted = interpret(graph, known, outputs);
  return {
    found: [await read("labels"), await read("flag")],
    wanted: outputs.map((v) => wanted.get(v)!),
  };
}

gpuTest(
  "labelVoxels() decides as the reference, by channel and by region, in one and two bytes",
  async (gpu) => {
    const cases: LabelVoxelsAttrs[] = [
      { box: BOX, linear: LINEAR[0], decision: "largest", bytes: 1 },
      { box: BOX, linear: LINEAR[1], decision: "regions", bytes: 2 },
      { box: BOX, linear: LINEAR[2], decision: "largest", bytes: 2 },
    ];
    for (const [i, attrs] of cases.entries()) {
      const { found, wanted } = await labels(gpu, attrs, noise(360, 40 + i));
      assert.ok(new Set(found[0]).size > 1);
      found.forEach((values, k) => assertAllClose(values, wanted[k], EXACT, `${attrs.decision} ${k}`));
    }
  },
);

gpuTest("labelVoxels() raises its flag for a logit that is not finite", async (gpu) => {
  for (const value of [Infinity, NaN, -Infinity]) {
    const ring = noise(360, 1);
    ring[4 * 72 + 5] = value; // plane 4, channel 0, row 0, column 5: the first voxel's first taps
    const { found } = await labels(
      gpu,
      { box: BOX, linear: LINEAR[0], decision: "largest", bytes: 1 },
      ring,
    );
    assert.equal(found[1][0], 1, String(value));
  }
});
