import assert from "node:assert/strict";
import { PlanError } from "../../../kernels/errors.ts";
import { differentiate } from "../../../kernels/graph/gradient.ts";
import { Graph, type Value } from "../../../kernels/graph/graph.ts";
import { interpret } from "../../../kernels/graph/interpret.ts";
import { compile } from "../../../kernels/graph/plan.ts";
import { add } from "../../../kernels/ops/add/op.ts";
import { cast } from "../../../kernels/ops/cast/op.ts";
import { leakyRelu } from "../../../kernels/ops/leaky_relu/op.ts";
import { elementCount, tensor } from "../../../kernels/spec.ts";
import {
  deepSupervisionWeights,
  type SegmentationClasses,
  segmentationCounts,
  segmentationLoss,
} from "../../../train/finetune/segmentation_loss.ts";
import { gpuTest } from "../../support/gpu.ts";
import { halfTest } from "../../support/half.ts";
import { noise, runOnGpu } from "../../support/ops.ts";
import { assertAllClose } from "../../support/tolerance.ts";

const organs: SegmentationClasses = {
  kind: "labels",
  foreground: [{ values: [1] }, { values: [2] }],
  outputs: 3,
  ignore: null,
};
const tumour: SegmentationClasses = {
  kind: "regions",
  foreground: [{ values: [1, 2, 3] }, { values: [2, 3] }, { values: [3] }],
  outputs: 3,
  ignore: 4,
};
const SIZES = [[8, 6, 4], [4, 3, 2], [2, 3, 1]];

/** Whole numbers 0 to `top`. */
function labelMap(shape: number[], top: number): Float32Array<ArrayBuffer> {
  return noise(elementCount(shape), 9).map((v) =>
    Math.min(top, Math.floor((v + 1) / 2 * (top + 1)))
  ) as Float32Array<ArrayBuffer>;
}

/** Logits of several sizes behind a layer, so that the backward pass may overwrite them, and a label map. */
function build(classes: SegmentationClasses, sizes: number[][], dtype: "f32" | "f16" = "f32") {
  const graph = new Graph();
  const feeds = new Map<Value, Float32Array<ArrayBuffer>>();
  const feed = (name: string, shape: number[], data: Float32Array<ArrayBuffer>) => {
    const value = graph.input(name, tensor(shape));
    feeds.set(value, data);
    return value;
  };
  const inputs = sizes.map((size, i) => {
    const shape = [2, classes.outputs, ...size];
    return feed(
      `logits${i}`,
      shape,
      noise(elementCount(shape), i).map((v) => 3 * v) as Float32Array<ArrayBuffer>,
    );
  });
  const outputs = inputs.map((x) => {
    const [logits] = graph.apply(leakyRelu, [x], { slope: 0.5 });
    return dtype === "f16" ? graph.apply(cast, [logits], { to: "f16" })[0] : logits;
  });
  const shape = [2, 1, ...sizes[0]];
  const labels = feed("labels", shape, labelMap(shape, classes.ignore ?? classes.outputs - 1));
  const seed = feed("seed", [1], Float32Array.of(dtype === "f16" ? 64 : 1));
  const gradientOf = (loss: Value) =>
    differentiate(graph, { seeds: new Map([[loss, seed]]), wrt: inputs, add });
  return { graph, feeds, inputs, outputs, labels, gradientOf };
}

function inDoubles(feeds: ReadonlyMap<Value, Float32Array>): Map<Value, Float64Array> {
  return new Map([...feeds].map(([value, data]) => [value, Float64Array.from(data)]));
}

Deno.test("deepSupervisionWeights() halves, leaves the last output out and adds up to one", () => {
  assert.deepEqual(deepSupervisionWeights(1), [1]);
  assert.deepEqual(deepSupervisionWeights(2), [1, 0]);
  assert.deepEqual(deepSupervisionWeights(3), [2 / 3, 1 / 3, 0]);
  for (const n of [4, 5, 6, 7]) {
    const weights = deepSupervisionWeights(n);
    assert.ok(Math.abs(weights.reduce((a, b) => a + b) - 1) < 1e-12);
    assert.equal(weights[1] / weights[0], 0.5);
    assert.equal(weights.at(-1), 0);
  }
});

Deno.test("segmentationLoss() of several outputs is the weighted sum of single ones on down-sampled labels", () => {
  for (const classes of [organs, tumour]) {
    const { graph, feeds, outputs, inputs, labels, gradientOf } = build(classes, SIZES);
    const loss = segmentationLoss(graph, outputs, labels, classes, { batchDice: true });
    assert.equal(gradientOf(loss).get(inputs[2]), undefined, "the output of weight 0 gets no gradient");
    const full = feeds.get(labels)!;
    const coarse = new Float32Array(elementCount([2, 1, ...SIZES[1]]));
    const [[, H, W], [d, h, w]] = SIZES;
    coarse.forEach((_, i) => {
      const [n, z, y, x] = [
        Math.floor(i / (d * h * w)),
        Math.floor(i / (h * w)) % d,
        Math.floor(i / w) % h,
        i % w,
      ];
      coarse[i] = full[((n * SIZES[0][0] + 2 * z + 1) * H + 2 * y + 1) * W + 2 * x + 1];
    });
    const small = graph.input("coarse labels", tensor([2, 1, ...SIZES[1]]));
    feeds.set(small, coarse);
    const single = [[outputs[0], labels], [outputs[1], small]].map(([output, truth]) =>
      segmentationLoss(graph, [output], truth, classes, { batchDice: true })
    );
    const found = interpret(graph, inDoubles(feeds), [loss, ...single]);
    const [value, first, second] = [loss, ...single].map((v) => found.get(v)![0]);
    assert.ok(Math.abs(value - (2 * first + second) / 3) < 1e-12, `${value}, ${first}, ${second}`);
  }
});

Deno.test("segmentationLoss() and segmentationCounts() do not see ignored voxels", () => {
  for (const classes of [{ ...organs, ignore: 3 }, tumour]) {
    const { graph, feeds, inputs: [x], outputs, labels } = build(classes, [SIZES[0]]);
    const targets = [
      segmentationLoss(graph, outputs, labels, classes, { batchDice: false }),
      segmentationCounts(graph, outputs[0], labels, classes),
    ];
    const before = interpret(graph, inDoubles(feeds), targets);
    const voxels = elementCount(SIZES[0]);
    const truth = feeds.get(labels)!;
    const moved = feeds.get(x)!.map((v, i) => {
      const voxel = Math.floor(i / (classes.outputs * voxels)) * voxels + i % voxels;
      return truth[voxel] === classes.ignore ? -9 * v : v;
    }) as Float32Array<ArrayBuffer>;
    assert.notDeepEqual(moved.slice(0, 500), feeds.get(x)!.slice(0, 500));
    const after = interpret(graph, inDoubles(new Map([...feeds, [x, moved]])), targets);
    for (const target of targets) assert.deepEqual([...after.get(target)!], [...before.get(target)!]);
  }
});

for (const classes of [organs, tumour]) {
  gpuTest(`segmentationLoss() of ${classes.kind} on the GPU matches float64, in place`, async (gpu) => {
    const { graph, feeds, outputs, inputs, labels, gradientOf } = build(classes, SIZES);
    const loss = segmentationLoss(graph, outputs, labels, classes, { batchDice: false });
    const gradients = gradientOf(loss);
    const targets = [loss, gradients.get(inputs[0])!, gradients.get(inputs[1])!];
    const wanted = interpret(graph, inDoubles(feeds), targets);
    const found = await runOnGpu(gpu, graph, feeds, targets, { poison: true });
    targets.forEach((v, i) =>
      assertAllClose(
        found[i],
        wanted.get(v)!,
        i === 0 ? { atol: 4e-6, rtol: 1e-5 } : { atol: 2e-7, rtol: 2e-5 },
      )
    );
    const plan = compile(graph, { device: gpu.facts, phases: { run: targets } });
    const backward = plan.phases.run.filter(({ op }) => op.startsWith("dice") && op.endsWith("Gradient"));
    assert.equal(backward.length, 2);
    for (const { label } of backward) assert.match(label, /in place/);
  });

  halfTest(`segmentationLoss() of ${classes.kind} takes f16 logits without a copy`, async (gpu) => {
    const { graph, feeds, outputs, inputs: [x], labels, gradientOf } = build(classes, [SIZES[0]], "f16");
    const loss = segmentationLoss(graph, outputs, labels, classes, { batchDice: false });
    const targets = [loss, gradientOf(loss).get(x)!];
    const wanted = interpret(graph, inDoubles(feeds), targets);
    const [value, dx] = await runOnGpu(gpu, graph, feeds, targets, { poison: true });
    assertAllClose(value, wanted.get(loss)!, { atol: 1e-3, rtol: 1e-3 });
    assertAllClose(dx, wanted.get(targets[1])!, { atol: 2e-4, rtol: 5e-3 });
  });
}

Deno.test("a few steps along the gradient of segmentationLoss() label every voxel right", () => {
  for (const classes of [organs, { ...tumour, ignore: null }]) {
    const graph = new Graph();
    const shape = [2, classes.outputs, 4, 4, 4];
    const x = graph.input("x", tensor(shape));
    const labels = graph.input("labels", tensor([2, 1, 4, 4, 4]));
    const seed = graph.input("seed", tensor([1]));
    const loss = segmentationLoss(graph, [x], labels, classes, { batchDice: true });
    const counts = segmentationCounts(graph, x, labels, classes);
    const dx = differentiate(graph, { seeds: new Map([[loss, seed]]), wrt: [x], add }).get(x)!;
    const logits = new Float64Array(elementCount(shape));
    const feeds = new Map([
      [x, logits],
      [labels, Float64Array.from(labelMap([2, 1, 4, 4, 4], classes.kind === "labels" ? 2 : 3))],
      [seed, Float64Array.of(1)],
    ]);
    for (let step = 0; step < 40; step++) {
      interpret(graph, feeds, [dx]).get(dx)!.forEach((slope, i) => logits[i] -= 400 * slope);
    }
    const found = interpret(graph, feeds, [loss, counts]);
    assert.ok(found.get(loss)![0] < -0.9, `loss ${found.get(loss)![0]}`);
    const table = [...found.get(counts)!];
    for (let k = 0; k < classes.outputs; k++) {
      assert.ok(table[3 * k] > 0);
      assert.deepEqual(table.slice(3 * k + 1, 3 * k + 3), [0, 0]);
    }
  }
});

Deno.test("segmentationLoss() refuses weights that do not fit the outputs", () => {
  const { graph, outputs, labels } = build(organs, [SIZES[0]]);
  for (const weights of [[0.5, 0.5], [0], []]) {
    assert.throws(
      () => segmentationLoss(graph, outputs, labels, organs, { batchDice: true, weights }),
      (error) =>
        error instanceof PlanError &&
        error.message ===
          `Cannot weight 1 outputs by [${weights.join(", ")}]: wanted a weight each, one of them above 0`,
    );
  }
});
