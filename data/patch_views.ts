import type { Dims3 } from "./volume.ts";

/** One array axis on the screen; `forward` where its index grows upwards or to the right. */
export interface ScreenAxis {
  /** 0, 1, 2 for D, H, W */
  readonly axis: number;
  readonly forward: boolean;
  /** Letters at the low and the high end of the screen: left and right, or bottom and top. */
  readonly ends: readonly [string, string];
}

/** A plane through a patch as it stands on the screen. */
export interface PatchView {
  readonly label: "axial" | "coronal" | "sagittal";
  /** Array axis that is cut. */
  readonly cut: number;
  readonly up: ScreenAxis;
  readonly right: ScreenAxis;
}

/** The views: world axis that is cut, then those that run up and to the right. */
const VIEWS = [
  { label: "axial", cut: "IS", up: "PA", right: "LR" },
  { label: "coronal", cut: "PA", up: "IS", right: "LR" },
  { label: "sagittal", cut: "LR", up: "IS", right: "PA" },
] as const;

/**
 * Axial, coronal and sagittal view of a patch. Superior, or else anterior, is up; the subject's right, or else anterior, is on the right.
 *
 * @param axes where x, y, z (the last, middle and first array axis) point, three letters as from `axisCodes`
 * @throws {RangeError} if `axes` is no orientation
 */
export function patchViews(axes: string): PatchView[] {
  const find = (pair: string): ScreenAxis => {
    const fromX = [...axes].findIndex((letter) => pair.includes(letter));
    if (axes.length !== 3 || fromX < 0) {
      throw new RangeError(
        `Cannot draw with axes "${axes}": wanted one letter each of L/R, P/A and I/S, as in "RAS"`,
      );
    }
    return { axis: 2 - fromX, forward: axes[fromX] === pair[1], ends: [pair[0], pair[1]] };
  };
  return VIEWS.map(({ label, cut, up, right }) => ({
    label,
    cut: find(cut).axis,
    up: find(up),
    right: find(right),
  }));
}

/** Index along a screen axis at a position counted from below or from the left. */
export function indexAlong({ axis, forward }: ScreenAxis, position: number, shape: Dims3): number {
  return forward ? position : shape[axis] - 1 - position;
}

/** The 1st and the 99th percentile of the finite values: the window in which pictures show intensities; `[0, 0]` without values. */
export function intensityWindow(values: ArrayLike<number>): [low: number, high: number] {
  const sorted = Float32Array.from(values).filter(Number.isFinite).sort();
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  return [at(0.01), at(0.99)];
}
