import { DataError } from "../errors.ts";
import { type ImageHeader, readImageHeader } from "../formats/mod.ts";
import { mapConcurrent } from "../prepare/map_concurrent.ts";
import { requireSameGrid } from "../same_grid.ts";
import type { DatasetCase } from "./dataset.ts";
import { problemLine } from "./dataset_error.ts";

/** Headers of a case's files: the images, then the label map. */
export interface SurveyedCase {
  readonly headers: readonly ImageHeader[];
  /** A line for every file that cannot be read or lies on another grid than the first channel. */
  readonly problems: readonly string[];
}

/** Cases looked at at a time: hides the delay of network drives. */
const CONCURRENT_CASES = 16;

/**
 * Reads the headers of all cases and compares the grids of their files, without reading a voxel.
 *
 * @throws the signal's reason
 */
export function surveyGrids(
  cases: readonly DatasetCase[],
  options: { readonly maxBytes?: number; readonly signal?: AbortSignal } = {},
): Promise<SurveyedCase[]> {
  return mapConcurrent(cases, CONCURRENT_CASES, async ({ images, label }) => {
    options.signal?.throwIfAborted();
    const headers: ImageHeader[] = [], problems: string[] = [];
    let first: { file: string; grid: ImageHeader } | undefined;
    for (const file of [...images, label]) {
      try {
        const grid = await readImageHeader(file, { maxBytes: options.maxBytes });
        headers.push(grid);
        if (grid.volumes !== 1) {
          const found = `${grid.volumes} volumes`;
          const remedy = "write one file for each volume";
          problems.push(problemLine({ file, found, wanted: "one 3-D volume", remedy }));
        } else if (first) {
          const kind = file === label ? "a label map" : "a channel";
          requireSameGrid({ file, kind, grid }, first, "resample the files of a case onto one grid");
        }
        first ??= { file, grid };
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
        problems.push(error.message);
      }
    }
    return { headers, problems };
  });
}
