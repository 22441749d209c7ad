import type { Filters } from "./filter_config.ts";

/**
 * Named filters. `lenient` and `strict` are the rules of the two scripts that curate raw MRI for nnssl,
 * `src/nnssl/dataset_conversion/filter_mris_all.py` and `filter_mris.py`, the first with its grouping by weighting; kB counts 1000 bytes.
 */
export const FILTER_PRESETS: Readonly<Record<string, Filters>> = {
  lenient: {
    minFileBytes: 200_000,
    threeAxes: true,
    minFieldOfViewMm: 50,
    spacingBelowMm: 6.5,
    weightings: ["T1", "T1-FLAIR", "T2", "T2-FLAIR", "FLAIR", "MR-angiography"],
    dropWeightings: ["SWI"],
    dropSeriesDescriptions: ["adc", "pha", "dwi"],
    minFieldStrength: 1.5,
  },
  strict: { threeAxes: true, minFieldOfViewMm: 100, maxSpacingMm: 3 },
};
