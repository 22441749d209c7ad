import type { Dims3 } from "../../data/volume.ts";

/** What a side is told, one JSON object a line. */
export interface ResampleJob {
  /** File of float32 values, C order. */
  readonly file: string;
  readonly shape: Dims3;
  readonly newShape: Dims3;
  readonly spacing: Dims3;
  readonly newSpacing: Dims3;
  /** Axis that is resampled apart from the other two; null when none is. */
  readonly separateAxis: number | null;
  /** Distance of the results that come back. */
  readonly every: number;
}

/** What a side answers, one JSON object a line: the time of the call alone and every n-th voxel of its result. */
export interface ResampleAnswer {
  readonly ms: number;
  readonly samples: readonly number[];
}
