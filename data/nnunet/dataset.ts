import type { LabelSet } from "./labels.ts";

/** One labelled training case. */
export interface DatasetCase {
  readonly id: string;
  /** One file a channel, in the order of the channels; absolute paths. */
  readonly images: readonly string[];
  /** Label map, absolute path. */
  readonly label: string;
}

/** A labelled data set in the layout of nnU-Net v2. */
export interface LabelledDataset {
  /** Absolute path. */
  readonly folder: string;
  /** Name of the folder. */
  readonly name: string;
  /** By channel. */
  readonly channelNames: readonly string[];
  readonly labels: LabelSet;
  /** Ending of image and label files, such as ".nii.gz". */
  readonly fileEnding: string;
  /** Ascending by id. */
  readonly cases: readonly DatasetCase[];
  /** Content of dataset.json. */
  readonly description: Readonly<Record<string, unknown>>;
}
