import { inversePermutation, transposeForward } from "../../plan.ts";
import { resampledShape } from "../../resample.ts";
import { type Dims3, transposed } from "../../volume.ts";
import type { LabelledFingerprint } from "../fingerprint.ts";
import { median, percentile } from "../percentile.ts";

/** An axis counts as thick-sliced beyond this ratio of its spacing to the others', and of the others' sizes to its own. */
const ANISOTROPY_THRESHOLD = 3;
/** Spacings that agree in so many digits count as equal: headers hold float32, and 0.9999999 mm is no coarser axis than 0.9999998. */
const SPACING_DIGITS = 5;

/** Grid that a data set is resampled to. */
export interface TargetGrid {
  /** mm, axes transposed. */
  readonly spacing: Dims3;
  /** Median shape of the cropped cases at that spacing, axes transposed; may be halves. */
  readonly medianShape: Dims3;
  readonly transposeForward: Dims3;
  readonly transposeBackward: Dims3;
}

type Spacings = Pick<LabelledFingerprint, "spacings" | "shapes_after_crop">;

/**
 * Target spacing, transposition and median shape of 3d_fullres: the median spacing; where slices are thick and few, the 10th percentile
 * along their axis, but not finer than the other axes. The axis of the largest spacing comes first (the first of equals; nnU-Net
 * compares all digits).
 *
 * @throws {RangeError} without cases
 * Source: nnU-Net v2 `ExperimentPlanner.determine_fullres_target_spacing` and `determine_transpose`
 */
export function targetGrid(fingerprint: Spacings): TargetGrid {
  const { spacings, shapes_after_crop: shapes } = fingerprint;
  if (spacings.length === 0) throw new RangeError("Cannot plan: found no case");
  const target = [...perAxisMedian(spacings)] as [number, number, number];
  const size = perAxisMedian(shapes);
  const worst = target.indexOf(Math.max(...target));
  const others = [0, 1, 2].filter((axis) => axis !== worst);
  const coarsestOther = Math.max(...others.map((axis) => target[axis]));
  const thick = target[worst] > ANISOTROPY_THRESHOLD * coarsestOther;
  const few = size[worst] * ANISOTROPY_THRESHOLD < Math.min(...others.map((axis) => size[axis]));
  if (thick && few) {
    const fine = percentile(spacings.map((spacing) => spacing[worst]).sort((a, b) => a - b), 10);
    target[worst] = fine < coarsestOther ? coarsestOther + 1e-5 : fine;
  }
  const [d, h, w] = target.map((step) => Number(step.toPrecision(SPACING_DIGITS)));
  const forward = transposeForward([d, h, w]);
  const medianShape = perAxisMedian(spacings.map((spacing, i) => resampledShape(shapes[i], spacing, target)));
  return {
    spacing: transposed(target, forward),
    medianShape: transposed(medianShape, forward),
    transposeForward: forward,
    transposeBackward: inversePermutation(forward),
  };
}

/** Median of each axis. */
export function perAxisMedian(rows: readonly Dims3[]): Dims3 {
  const axis = (a: number) => median(rows.map((row) => row[a]));
  return [axis(0), axis(1), axis(2)];
}
