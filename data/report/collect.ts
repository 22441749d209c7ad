import { REPORT_FILE } from "../prepare/outputs.ts";
import { pretrainEntries, type PretrainEntry } from "../pretrain_data.ts";
import { readStoreIndex, type RejectedImage, type StoreIndex } from "../store_index.ts";
import type { Dims3 } from "../volume.ts";
import { CohortTally } from "./cohort_tally.ts";
import { COLLECTION_FILE, readCollection } from "./collection_file.ts";
import { GeometryTally, SIZE_WIDTHS, SPACING_WIDTHS } from "./geometry_counts.ts";
import { cleanText } from "./markup.ts";
import { NameScrubber } from "./name_scrubber.ts";
import { ReasonGroups } from "./reason_groups.ts";
import { readReportLines } from "./report_lines.ts";
import type { CentreBasis, ReportNumbers, SplitSide } from "./report_numbers.ts";
import { Tally } from "./tally.ts";

/** How to count. */
export interface CollectOptions {
  /** What a centre is; left out: institutions where at least half of the volumes name one, data sets otherwise. */
  readonly centre?: CentreBasis;
}

/** One rejected image with everything that is known of it. */
export interface Rejection extends RejectedImage {
  /** The filter or check that refused it; null when the store does not say. */
  readonly rule: string | null;
}

/** The numbers of a store, and what they were counted from. */
export interface CollectedReport {
  readonly numbers: ReportNumbers;
  readonly index: StoreIndex;
  /** Rejected images with names; not for everybody's eyes. */
  readonly rejections: readonly Rejection[];
  /** What could not be counted, for the user. */
  readonly warnings: readonly string[];
}

/**
 * Counts what a store holds and what was refused, from store.json, pretrain_data.json and report.jsonl; no volume is opened. Time grows
 * in proportion to the number of images.
 *
 * @param store folder of the store; it may hold rejected images only
 * @throws {DataError} when it is no store or one of its files is damaged
 */
export async function collectReport(store: string, options: CollectOptions = {}): Promise<CollectedReport> {
  const index = readStoreIndex(store);
  const collection = await readCollection(store);
  const entries = collection ? pretrainEntries(collection) : [];
  const lines = await readLines(store, new NameScrubber(index.collection, entries));

  const warnings = [
    collection ? null : `${store} has no ${COLLECTION_FILE}: ages, scanners and centres are not known`,
    lines.count > 0
      ? null
      : `${store} has no ${REPORT_FILE}: geometry as scanned, remarks and rules are not known`,
  ].filter((warning) => warning !== null);
  const cohort = countCohort(index, new CohortTally(collection), entries);
  const { totals, split, spacing, size } = countVolumes(index);
  const numbers = cohort.result(options.centre);
  const rejections = index.rejected.map((image) => ({ ...image, rule: lines.rules.get(image.id) ?? null }));
  return {
    numbers: {
      collection: cleanText(index.collection),
      configuration: index.configuration,
      dtype: index.dtype,
      compression: index.compression,
      orientation: index.orientation,
      totals: {
        ...totals,
        subjects: cohort.subjects,
        sessions: collection ? cohort.sessions : null,
        datasets: collection ? cohort.datasets : null,
        centres: numbers.centres.categories.length,
      },
      split,
      ...numbers,
      spacings: {
        source: sourceCounts(index, lines.spacings, SPACING_WIDTHS),
        prepared: spacing.result(SPACING_WIDTHS),
      },
      sizes: { source: sourceCounts(index, lines.shapes, SIZE_WIDTHS), prepared: size.result(SIZE_WIDTHS) },
      rejections: countRejections(rejections, lines.scrubber),
      remarks: lines.remarks.result(),
    },
    index,
    rejections,
    warnings,
  };
}

/** What report.jsonl adds to the index. */
interface LineFacts {
  /** Images that it lists. */
  readonly count: number;
  readonly scrubber: NameScrubber;
  /** Rule by id of a rejected image. */
  readonly rules: ReadonlyMap<string, string>;
  /** Source geometry by id of a prepared image. */
  readonly shapes: ReadonlyMap<string, Dims3>;
  readonly spacings: ReadonlyMap<string, Dims3>;
  readonly remarks: ReasonGroups;
}

async function readLines(store: string, scrubber: NameScrubber): Promise<LineFacts> {
  const rules = new Map<string, string>(),
    shapes = new Map<string, Dims3>(),
    spacings = new Map<string, Dims3>();
  const remarks = new ReasonGroups();
  let count = 0;
  for await (const line of readReportLines(store)) {
    count++;
    if (line.status === "rejected") {
      if (line.rule) rules.set(line.id, cleanText(line.rule));
      continue;
    }
    if (line.sourceShape) shapes.set(line.id, line.sourceShape);
    if (line.sourceSpacing) spacings.set(line.id, line.sourceSpacing);
    for (const warning of line.warnings ?? []) remarks.add(null, scrubber.scrub(warning, line));
  }
  return { count, scrubber, rules, shapes, spacings, remarks };
}

function countCohort(index: StoreIndex, cohort: CohortTally, entries: readonly PretrainEntry[]): CohortTally {
  const byId = new Map(entries.map((entry) => [entry.imageId, entry]));
  for (const volume of index.volumes) cohort.add(volume, byId.get(volume.id) ?? null);
  return cohort;
}

function countVolumes({ volumes, rejected, split }: StoreIndex) {
  const train = new Set(split.train), val = new Set(split.val);
  const side = (subjects: ReadonlySet<string>): SplitSide => ({
    subjects: subjects.size,
    volumes: volumes.reduce((sum, { subject }) => sum + Number(subjects.has(subject)), 0),
  });
  const spacing = new GeometryTally(), size = new GeometryTally();
  let bytes = 0, anonymizationMasks = 0, anatomyMasks = 0;
  for (const volume of volumes) {
    const { anonymization, anatomy } = volume.masks ?? {};
    spacing.add(volume.spacing);
    size.add(volume.shape);
    bytes += volume.bytes + (anonymization?.bytes ?? 0) + (anatomy?.bytes ?? 0);
    if (anonymization) anonymizationMasks++;
    if (anatomy) anatomyMasks++;
  }
  const totals = {
    volumes: volumes.length,
    rejected: rejected.length,
    bytes,
    anonymizationMasks,
    anatomyMasks,
  };
  return { totals, split: { train: side(train), val: side(val) }, spacing, size };
}

function sourceCounts(index: StoreIndex, byId: ReadonlyMap<string, Dims3>, widths: readonly number[]) {
  const tally = new GeometryTally();
  for (const { id } of index.volumes) tally.add(byId.get(id));
  return tally.result(widths);
}

function countRejections(
  rejections: readonly Rejection[],
  scrubber: NameScrubber,
): ReportNumbers["rejections"] {
  const rules = new Tally(), reasons = new ReasonGroups();
  for (const image of rejections) {
    rules.add(image.rule);
    reasons.add(image.rule, scrubber.scrub(image.reason, image));
  }
  return { rules: rules.result(), reasons: reasons.result() };
}
