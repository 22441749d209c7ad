import type { Dims3 } from "../volume.ts";
import { centredBins, type Histogram, histogram, type Quartiles, quartiles } from "./histogram.ts";

/** Spread of one of the three edges of a voxel or an image, by length: files store axes in any order. */
export interface AxisSpread {
  readonly edge: "shortest" | "middle" | "longest";
  readonly quartiles: Quartiles;
  readonly histogram: Histogram;
}

/** Spread of spacings (mm) or sizes (voxels) over the volumes; the three histograms share their bins. */
export interface GeometryCounts {
  /** Volumes that state it. */
  readonly volumes: number;
  readonly notStated: number;
  /** Three edges; none when no volume states it. */
  readonly axes: readonly AxisSpread[];
}

/** Widths of bins for spacings in mm. */
export const SPACING_WIDTHS = [0.05, 0.1, 0.25, 0.5, 1, 2.5] as const;
/** Widths of bins for sizes in voxels. */
export const SIZE_WIDTHS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] as const;

/** Collects three numbers a volume. */
export class GeometryTally {
  readonly #edges: number[][] = [[], [], []];
  #notStated = 0;

  /** Counts one volume; undefined or impossible values are "not stated". */
  add(values: Dims3 | undefined): void {
    if (!values?.every((value) => Number.isFinite(value) && value > 0)) {
      this.#notStated++;
      return;
    }
    [...values].sort((a, b) => a - b).forEach((value, edge) => this.#edges[edge].push(value));
  }

  /** @param widths candidates for the width of a bin, ascending */
  result(widths: readonly number[]): GeometryCounts {
    const sorted = this.#edges.map((values) => Float64Array.from(values).sort());
    const bins = centredBins(sorted, widths);
    const axes = bins
      ? (["shortest", "middle", "longest"] as const).map((edge, i): AxisSpread => ({
        edge,
        quartiles: quartiles(sorted[i])!,
        histogram: histogram(sorted[i], bins.start, bins.end, bins.step),
      }))
      : [];
    return { volumes: sorted[0].length, notStated: this.#notStated, axes };
  }
}
