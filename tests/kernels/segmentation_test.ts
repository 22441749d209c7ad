import assert from "node:assert/strict";
import { ShapeError } from "../../kernels/errors.ts";
import { confusionCounts } from "../../kernels/ops/segmentation/confusion_counts.ts";
import { downsampleLabels } from "../../kernels/ops/segmentation/downsample_labels.ts";
import { regionTargets } from "../../kernels/ops/segmentation/region_targets.ts";
import { type Dims3, elementCount, type OpDef, tensor, type TensorSpec } from "../../kernels/spec.ts";
import { gpuTest } from "../support/gpu.ts";
import { halfTest } from "../support/half.ts";
import { checkOp, noise } from "../support/ops.ts";

const exact = { atol: 0, rtol: 0 };

/** Whole numbers from `least` to `top`. */
function labels(shape: readonly number[], least: number, top: number): Float32Array<ArrayBuffer> {
  const range = top - least + 1;
  return noise(elementCount(shape), 5).map((v) =>
    Math.min(top, least + Math.floor((v + 1) / 2 * range))
  ) as Float32Array<ArrayBuffer>;
}

function reference<A>(op: OpDef<A>, attrs: A, inputs: [TensorSpec, number[]][]): number[] {
  return [
    ...op.reference({
      inputs: inputs.map(([, data]) => Float64Array.from(data)),
      inputSpecs: inputs.map(([spec]) => spec),
      outputSpecs: [],
      attrs,
    })[0],
  ];
}

for (const shape of [[2, 1, 5, 3, 7], [1, 1, 17, 4, 6]]) {
  for (const ignoreLabel of [null, 4]) {
    gpuTest(
      `regionTargets() of ${shape.join("x")}, ignored ${ignoreLabel}: kernel matches the reference`,
      (gpu) =>
        checkOp(gpu, {
          op: regionTargets,
          attrs: { regions: [[1, 2, 3], [2, 3], [3], [1, 3], []], ignoreLabel },
          inputs: [{ shape, data: labels(shape, -1, 4) }],
          tolerance: exact,
        }),
    );
  }
}

Deno.test("regionTargets() lets regions overlap and marks voxels that do not count in all of them", () => {
  const found = reference(
    regionTargets,
    { regions: [[1, 2, 3], [2, 3], [3]], ignoreLabel: 4 },
    [[tensor([1, 1, 1, 2, 3]), [0, 1, 2, 3, 4, -1]]],
  );
  assert.deepEqual(found, [0, 1, 1, 1, -1, -1, 0, 0, 1, 1, -1, -1, 0, 0, 0, 1, -1, -1]);
});

for (
  const [shape, size] of [[[2, 1, 8, 6, 10], [4, 3, 5]], [[1, 2, 7, 9, 5], [3, 9, 2]]] as [number[], Dims3][]
) {
  gpuTest(
    `downsampleLabels() from ${shape.join("x")} to ${size.join("x")}: kernel matches the reference`,
    (gpu) =>
      checkOp(gpu, {
        op: downsampleLabels,
        attrs: { size },
        inputs: [{ shape, data: labels(shape, 0, 1000) }],
        tolerance: exact,
      }),
  );
}

Deno.test("downsampleLabels() takes the voxel at the centre, the later of two", () => {
  const line = (n: number, to: number) =>
    reference(downsampleLabels, { size: [1, 1, to] }, [[
      tensor([1, 1, 1, 1, n]),
      Array.from({ length: n }, (_, i) => i),
    ]]);
  assert.deepEqual(line(8, 4), [1, 3, 5, 7]);
  assert.deepEqual(line(8, 2), [2, 6]);
  assert.deepEqual(line(9, 3), [1, 4, 7]);
  assert.deepEqual(line(5, 3), [0, 2, 4]);
  assert.deepEqual(line(5, 5), [0, 1, 2, 3, 4]);
});

for (const dtype of ["f32", "f16"] as const) {
  for (const shape of [[2, 3, 5, 3, 7], [1, 4, 4, 6, 17], [1, 2, 30, 20, 20]]) {
    const [n, c, ...size] = shape;
    const text = `of ${dtype} ${shape.join("x")}: kernels match the reference`;
    const test = dtype === "f16" ? halfTest : gpuTest;
    test(`confusionCounts() against labels ${text}`, (gpu) =>
      checkOp(gpu, {
        op: confusionCounts,
        attrs: { kind: "labels", ignoreLabel: c },
        inputs: [{ shape, dtype }, { shape: [n, 1, ...size], data: labels([n, 1, ...size], -1, c) }],
        tolerance: exact,
      }));
    test(`confusionCounts() against region targets ${text}`, (gpu) =>
      checkOp(gpu, {
        op: confusionCounts,
        attrs: { kind: "regions", ignoreLabel: null },
        inputs: [{ shape, dtype }, { shape, data: labels(shape, -1, 1) }],
        tolerance: exact,
      }));
  }
}

Deno.test("confusionCounts() counts by hand: ties go to the first class, ignored voxels nowhere", () => {
  const logits = [0, 5, 1, 2, 9, 1, 0, 1, 3, 0, 0, 0, 4, 2, 0]; // three classes of five voxels
  const truth = [1, 0, 1, 2, 3];
  const found = reference(confusionCounts, { kind: "labels", ignoreLabel: 3 }, [
    [tensor([1, 3, 1, 1, 5]), logits],
    [tensor([1, 1, 1, 1, 5]), truth],
  ]);
  // voxels: (0,1,0) -> 1 right; (5,0,0) -> 0 right; (1,1,4) -> 2, wanted 1; (2,3,2) -> 1, wanted 2; (9,0,0) ignored
  assert.deepEqual(found, [1, 0, 0, 1, 1, 1, 0, 1, 1]);
  const tie = reference(confusionCounts, { kind: "labels", ignoreLabel: null }, [
    [tensor([1, 2, 1, 1, 1]), [7, 7]],
    [tensor([1, 1, 1, 1, 1]), [1]],
  ]);
  assert.deepEqual(tie, [0, 1, 0, 0, 0, 1]);
});

Deno.test("operations on labels refuse what does not fit", () => {
  const label = tensor([1, 1, 4, 4, 4]);
  const refused = (run: () => unknown, message: string) =>
    assert.throws(run, (error) => error instanceof ShapeError && error.message === message);
  refused(
    () => regionTargets.infer([tensor([1, 2, 4, 4, 4])], { regions: [[1]], ignoreLabel: null }),
    "Cannot apply regionTargets: labels have 2 channels, wanted 1",
  );
  refused(
    () => regionTargets.infer([label], { regions: [], ignoreLabel: null }),
    "Cannot apply regionTargets: found no region, wanted at least one",
  );
  refused(
    () => downsampleLabels.infer([label], { size: [2, 2, 5] }),
    "Cannot apply downsampleLabels: labels have 4x4x4 voxels, wanted at least 2x2x5",
  );
  refused(
    () => confusionCounts.infer([tensor([1, 3, 4, 4, 4]), label], { kind: "regions", ignoreLabel: null }),
    "Cannot apply confusionCounts: targets have shape [1,1,4,4,4], wanted [1,3,4,4,4]",
  );
});
