import { barChart } from "./bar_chart.ts";
import type { Figure } from "./figure.ts";
import { ageChart, geometryChart } from "./histogram_chart.ts";
import type { ReportNumbers } from "./report_numbers.ts";

/** The figures of a report, in groups. */
export interface ReportFigures {
  /** Who was scanned where and how. */
  readonly cohort: readonly Figure[];
  /** Spacings and sizes, as found and as prepared. */
  readonly geometry: readonly Figure[];
  /** Rejected images by rule; null when none was rejected. */
  readonly rejections: Figure | null;
}

/** Draws all charts of a report. */
export function reportFigures(numbers: ReportNumbers): ReportFigures {
  const { centres, sexes, ages, scanners, fieldStrengths, modalities, spacings, sizes } = numbers;
  const basis = centres.basis === "institution" ? "institution" : "data set";
  const cohort = [
    barChart({
      name: "centres",
      title: `Centre (${basis})`,
      counts: centres,
      unit: "volume",
      category: "centre",
    }),
    barChart({ name: "scanners", title: "Scanner", counts: scanners, unit: "volume", category: "scanner" }),
    barChart({
      name: "modalities",
      title: "Modality",
      counts: modalities,
      unit: "volume",
      category: "modality",
    }),
    ageChart(ages),
    barChart({ name: "sexes", title: "Sex", counts: sexes, unit: "subject", category: "sex" }),
    barChart({
      name: "field_strengths",
      title: "Field strength",
      counts: fieldStrengths,
      unit: "volume",
      category: "field strength",
    }),
  ];
  const geometry = [
    geometryChart({
      name: "spacings_source",
      title: "Spacing as scanned",
      unit: "mm",
      counts: spacings.source,
    }),
    geometryChart({
      name: "spacings_prepared",
      title: "Spacing as prepared",
      unit: "mm",
      counts: spacings.prepared,
    }),
    geometryChart({ name: "sizes_source", title: "Size as scanned", unit: "voxels", counts: sizes.source }),
    geometryChart({
      name: "sizes_prepared",
      title: "Size as prepared",
      unit: "voxels",
      counts: sizes.prepared,
    }),
  ];
  const { rules } = numbers.rejections;
  const rejections = numbers.totals.rejected === 0 ? null : barChart({
    name: "rejections",
    title: "Rejected images by rule",
    counts: rules,
    unit: "image",
    category: "rule",
    maxRows: 30,
  });
  return { cohort, geometry, rejections };
}
