/** Resampling of a head of 181x217x181 voxels at 0.88 mm to 1 mm, an axis at a time, and clamping of the result. */
import { clampSlices, resizeAxis } from "../kernels/ops/resize/op.ts";
import { axisTable } from "../kernels/ops/resize/taps.ts";
import type { Dims3 } from "../kernels/spec.ts";
import type { BenchCase, CaseFamily } from "./case.ts";

const BEFORE: Dims3 = [181, 217, 181], AFTER: Dims3 = [159, 191, 159];
const AXES = [0, 1, 2] as const;

/** The axes before `axis` have been resized already. */
function alongAxis(axis: 0 | 1 | 2, before: Dims3, after: Dims3): BenchCase {
  const shape = before.map((size, a) => a < axis ? after[a] : size);
  const { taps, first, weights } = axisTable(before[axis], after[axis], 3);
  return {
    op: resizeAxis,
    attrs: { axis },
    shape: `${shape.join("x")} to ${after[axis]}`,
    inputs: [
      { shape: [1, 1, ...shape] },
      { shape: [after[axis]], data: first },
      { shape: [after[axis], taps], data: weights },
    ],
  };
}

function clamped(size: Dims3, axis: 0 | null): BenchCase {
  const slices = axis === null ? 1 : size[axis];
  const ranges = Float32Array.from({ length: 2 * slices }, (_, i) => (i & 1 ? 0.5 : -0.5));
  return {
    op: clampSlices,
    attrs: { axis },
    shape: `${size.join("x")}, ${slices} ranges`,
    inputs: [{ shape: [1, 1, ...size] }, { shape: [slices, 2], data: ranges }],
  };
}

/** Families of the operations that resample volumes. */
export const resizeFamilies: readonly CaseFamily[] = [
  ...AXES.map((axis): CaseFamily => ({
    name: `resizeAxis ${"DHW"[axis]}`,
    small: [alongAxis(axis, [5, 6, 7], [4, 8, 9])],
    cases: [alongAxis(axis, BEFORE, AFTER)],
  })),
  { name: "clampSlices", small: [clamped([3, 4, 5], 0)], cases: [clamped(AFTER, null)] },
];
