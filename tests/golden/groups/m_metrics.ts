import type { Dims3 } from "../../../data/volume.ts";
import { slotPair } from "../../../evaluate/label_slots.ts";
import { overlapMetrics, pairOverlap } from "../../../evaluate/overlap.ts";
import { describeResamples } from "../../../evaluate/ranking/bootstrap.ts";
import { rank } from "../../../evaluate/ranking/rank.ts";
import {
  aggregateThenRank,
  meanRanks,
  meanScores,
  rankThenAggregate,
  type ScoreTable,
} from "../../../evaluate/ranking/score_table.ts";
import { caseMetrics } from "../../../evaluate/case_metrics.ts";
import { foregroundMean, meanOverCases } from "../../../evaluate/summarize.ts";
import { padMask } from "../../../evaluate/surface/pad_mask.ts";
import {
  averageDistance,
  hausdorff,
  overlapAtTolerance,
  surfaceDice,
  type SurfaceDistances,
  surfaceDistances,
} from "../../../evaluate/surface/surface_distances.ts";
import { surfelAreas } from "../../../evaluate/surface/surfel_areas.ts";
import { classKey, type ClassMetrics, type EvaluatedClass } from "../../../evaluate/types.ts";
import { type Checker, type GoldenCase, type GoldenGroup, goldenNumber, type TensorRef } from "../support.ts";

/** "All numbers float64; compare with rtol 1e-9 (counts exactly)", and what a distance of 0 may differ by. */
const TOLERANCE = { rtol: 1e-9, atol: 1e-12 };

type Numbers = Readonly<Record<string, unknown>>;

/** Compares metrics, averages and ranks; the tables of surfel areas are compared as well. */
export function run(group: GoldenGroup, check: Checker): Promise<void> {
  const tables = (group.manifest.surfel_area_tables ?? {}) as Readonly<Record<string, number[]>>;
  for (const [spacing, areas] of Object.entries(tables)) {
    const found = surfelAreas(JSON.parse(spacing) as Dims3);
    check.closeValues("surfel areas", spacing, found, areas, TOLERANCE);
  }
  for (const c of group.manifest.cases) {
    if (c.op === "nnunet_compute_metrics") overlapCase(group, c, check);
    else if (c.op === "surface_metrics") surfaceCase(group, c, check);
    else if (c.op === "nnunet_average") averageCase(c, check);
    else if (c.op === "rank_aggregation") rankCase(group, c, check);
    else check.miss(c.id, "op", `unknown op ${c.op}`);
  }
  return Promise.resolve();
}

function labelMap(group: GoldenGroup, ref: TensorRef): { data: Uint8Array; shape: Dims3 } {
  const { data, shape } = group.tensor(ref);
  return { data: Uint8Array.from(data as Uint8Array), shape: [shape[0], shape[1], shape[2]] };
}

/** Compares the recorded numbers that `found` has, and misses those that it lacks. */
function compareNumbers(check: Checker, id: string, what: string, found: object, expected: Numbers): void {
  for (const [name, value] of Object.entries(expected)) {
    const actual = (found as Numbers)[name];
    if (typeof actual === "number") check.closeNumber(id, `${what} ${name}`, actual, value, TOLERANCE);
    else check.miss(id, `${what} ${name}`, "not computed");
  }
}

function overlapCase(group: GoldenGroup, c: GoldenCase, check: Checker): void {
  const labels = c.attributes.labels as (number | number[])[];
  const classes = labels.map((label): EvaluatedClass => ({ name: `${label}`, values: [label].flat() }));
  const ignore = (c.attributes.ignore_label ?? null) as number | null;
  const found = pairOverlap(
    slotPair(labelMap(group, c.inputs.reference), labelMap(group, c.inputs.prediction), classes, ignore),
  );
  const expected = c.expected as Readonly<Record<string, Numbers>>;
  labels.forEach((label, i) => {
    const key = Array.isArray(label) ? `[${label.join(", ")}]` : `${label}`;
    compareNumbers(check, c.id, key, found[i], expected[key]);
  });
  check.equal(c.id, "classes", Object.keys(expected).length, labels.length);
}

function surfaceCase(group: GoldenGroup, c: GoldenCase, check: Checker): void {
  const spacing = c.attributes.spacing_mm as unknown as Dims3;
  const gt = labelMap(group, c.inputs.gt), pred = labelMap(group, c.inputs.pred);
  const expected = c.expected as Readonly<Record<"surface_distance" | "nnunet", Numbers>>;
  const classes = [{ name: "mask", values: [1] }];
  const options = { classes, ignore: null, spacing, tolerances: [1], surface: true };
  const metrics = caseMetrics(gt, pred, options)[classKey([1])];
  compareNumbers(check, c.id, "nnunet", metrics, expected.nnunet);

  const box = { start: [0, 0, 0], end: gt.shape } as const; // the whole grid: empty masks have no box of their own
  const [reference, prediction] = [gt, pred].map(({ data, shape }) =>
    padMask(data, shape, Uint8Array.of(0, 1), box)
  );
  const distances = surfaceDistances(reference, prediction, spacing);
  const recorded = expected.surface_distance;
  for (const [name, value] of Object.entries(recorded)) {
    if (name.startsWith("overlap_")) {
      const tolerance = Number.parseFloat(name.slice("overlap_".length));
      const found = [distances.reference, distances.prediction]
        .map((side) => overlapAtTolerance(side, tolerance));
      check.closeValues(c.id, name, found, (value as unknown[]).map(goldenNumber), TOLERANCE);
    } else {
      const found = surfaceNumber(name, distances, metrics);
      if (found === null) check.miss(c.id, name, "not computed");
      else check.closeNumber(c.id, name, found, value, TOLERANCE);
    }
  }
  const inOneBox = { NSD: surfaceDice(distances, 1), HD95: hausdorff(distances, 95) };
  const empty = metrics.TP + metrics.FP + metrics.FN === 0;
  check.closeNumber(c.id, "NSD of the cropped pair", metrics.NSD, inOneBox.NSD, TOLERANCE);
  check.closeNumber(c.id, "HD95 of the cropped pair", metrics.HD95, empty ? NaN : inOneBox.HD95, TOLERANCE);
}

function surfaceNumber(name: string, distances: SurfaceDistances, metrics: ClassMetrics): number | null {
  const { reference, prediction } = distances;
  const parameter = Number.parseFloat(/[\d.]+/.exec(name)?.[0] ?? "");
  if (name.startsWith("nsd_")) return surfaceDice(distances, parameter);
  if (name.startsWith("hd")) return hausdorff(distances, parameter);
  const numbers: Readonly<Record<string, number>> = {
    n_surfels_gt: reference.areas.length,
    n_surfels_pred: prediction.areas.length,
    surface_area_gt: reference.totalArea,
    surface_area_pred: prediction.totalArea,
    asd_gt_to_pred: averageDistance(reference),
    asd_pred_to_gt: averageDistance(prediction),
    dice: metrics.Dice,
  };
  return numbers[name] ?? null;
}

function averageCase(c: GoldenCase, check: Checker): void {
  const expected = c.expected as { mean: Readonly<Record<string, Numbers>>; foreground_mean: Numbers };
  const cases = c.per_case as readonly Readonly<Record<string, Numbers>>[];
  const surface = { NSD: NaN, HD95: NaN, ASSD: NaN, volume_pred: NaN, volume_ref: NaN };
  const means = Object.entries(expected.mean).map(([label, numbers]) => {
    const mean = meanOverCases(cases.map((recorded) => {
      const count = (name: string) => goldenNumber(recorded[label][name]);
      const overlap = overlapMetrics(count("TP"), count("FP"), count("FN"), count("TN"));
      compareNumbers(check, c.id, `case ${label}`, overlap, recorded[label]);
      return { ...overlap, ...surface };
    }));
    compareNumbers(check, c.id, `mean ${label}`, mean, numbers);
    return mean;
  });
  compareNumbers(check, c.id, "foreground mean", foregroundMean(means), expected.foreground_mean);
}

function rankCase(group: GoldenGroup, c: GoldenCase, check: Checker): void {
  const tables = c.scores as readonly ScoreTable[];
  const expected = c.expected as Readonly<Record<string, unknown>>;
  const close = (what: string, actual: readonly number[], wanted: unknown) =>
    check.closeValues(c.id, what, actual, wanted as number[], TOLERANCE);
  const eachDataset = (what: string, compute: (table: ScoreTable) => number[]) =>
    tables.forEach((table, i) => close(`${what} ${i}`, compute(table), (expected[what] as number[][])[i]));
  eachDataset("mean_score", (table) => meanScores(table));
  eachDataset("rank_of_mean_per_dataset", (table) => rank(meanScores(table)));
  eachDataset("rank_of_mean_per_dataset_ties_min", (table) => rank(meanScores(table), { ties: "min" }));
  eachDataset("mean_rank_over_cases_per_dataset", (table) => meanRanks(table));
  close("aggregate_then_rank", aggregateThenRank(tables), expected.aggregate_then_rank);
  close("rank_then_aggregate", rankThenAggregate(tables), expected.rank_then_aggregate);

  const drawn = tables.map((_, i) => group.tensor(c.inputs[`bootstrap_indices_${i}`]));
  const draws = Array.from(
    { length: drawn[0].shape[0] },
    (_, b) => drawn.map(({ data, shape }) => (data as Uint8Array).subarray(b * shape[1], (b + 1) * shape[1])),
  );
  const orders = { aggregate_then_rank: aggregateThenRank, rank_then_aggregate: rankThenAggregate };
  for (const [name, order] of Object.entries(orders)) {
    const resampled = draws.map((draw) => order(tables, draw));
    check.close(c.id, `bootstrap ${name}`, resampled.flat(), c.outputs[`bootstrap_${name}`]);
    compareResamples(check, c.id, resampled, expected[`bootstrap_summary_${name}`] as Numbers);
  }
}

function compareResamples(check: Checker, id: string, resampled: number[][], expected: Numbers): void {
  const described = describeResamples(resampled);
  const found: Readonly<Record<string, number[]>> = {
    mean: described.map(({ mean }) => mean),
    std_population: described.map((value) => value.standardDeviation),
    "percentile_2.5": described.map(({ interval }) => interval[0]),
    percentile_50: described.map(({ median }) => median),
    "percentile_97.5": described.map(({ interval }) => interval[1]),
    fraction_strictly_best: described.map(({ strictlyBest }) => strictlyBest),
    last: resampled.at(-1)!,
  };
  for (const [name, value] of Object.entries(expected)) {
    const first = /^first(\d+)$/.exec(name);
    const actual = first ? resampled.slice(0, Number(first[1])).flat() : found[name];
    if (actual === undefined) check.miss(id, name, "not computed");
    else check.closeValues(id, name, actual, (value as number[]).flat(), TOLERANCE);
  }
}
