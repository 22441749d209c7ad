/**
 * Description of a prepared data set: counts, charts, contact sheet, one HTML page.
 *
 * @module
 */
export { type CollectedReport, type CollectOptions, collectReport, type Rejection } from "./collect.ts";
export type { AgeCounts, CentreBasis, ReportNumbers, SplitSide } from "./report_numbers.ts";
export type { AxisSpread, GeometryCounts } from "./geometry_counts.ts";
export type { Histogram, Quartiles } from "./histogram.ts";
export type { ReasonGroup } from "./reason_groups.ts";
export type { Category, FieldCounts } from "./tally.ts";
export { type ReportOptions, writeReport, type WrittenReport } from "./write_report.ts";
export { counted } from "./text.ts";
