import type { GeometryCounts } from "./geometry_counts.ts";
import type { Histogram, Quartiles } from "./histogram.ts";
import type { ReasonGroup } from "./reason_groups.ts";
import type { FieldCounts } from "./tally.ts";

/** What counts as a centre: the institution that an image names, or the data set that it comes from. */
export type CentreBasis = "institution" | "dataset";

/** One side of the split. */
export interface SplitSide {
  readonly subjects: number;
  readonly volumes: number;
}

/** Ages of subjects in years; those above 89 are one group, in the quartiles as 90. */
export interface AgeCounts {
  /** Bins of five years from 0 to 90, `above` holding the subjects older than 89. */
  readonly histogram: Histogram;
  readonly quartiles: Quartiles | null;
  /** Subjects with an age. */
  readonly stated: number;
  /** Subjects whose entry is no age. */
  readonly notRecognised: number;
  readonly notStated: number;
}

/** Everything a report shows as numbers; plain JSON without ids and paths. */
export interface ReportNumbers {
  readonly collection: string;
  readonly configuration: string;
  readonly dtype: string;
  readonly compression: string;
  readonly orientation: string | null;
  readonly totals: {
    readonly volumes: number;
    readonly subjects: number;
    /** Null when the store has no pretrain_data.json. */
    readonly sessions: number | null;
    readonly datasets: number | null;
    readonly centres: number;
    readonly rejected: number;
    /** Stored bytes of images and masks. */
    readonly bytes: number;
    readonly anonymizationMasks: number;
    readonly anatomyMasks: number;
  };
  readonly split: { readonly train: SplitSide; readonly val: SplitSide };
  /** Volumes by centre. */
  readonly centres: FieldCounts & { readonly basis: CentreBasis };
  /** Subjects by sex. */
  readonly sexes: FieldCounts;
  readonly ages: AgeCounts;
  /** Volumes by maker and model. */
  readonly scanners: FieldCounts;
  /** Volumes by field strength, ascending, names such as `1.5 T`. */
  readonly fieldStrengths: FieldCounts;
  /** Volumes by modality. */
  readonly modalities: FieldCounts;
  readonly spacings: { readonly source: GeometryCounts; readonly prepared: GeometryCounts };
  readonly sizes: { readonly source: GeometryCounts; readonly prepared: GeometryCounts };
  readonly rejections: { readonly rules: FieldCounts; readonly reasons: readonly ReasonGroup[] };
  /** Remarks on prepared volumes, such as a shear that was left out. */
  readonly remarks: readonly ReasonGroup[];
}
