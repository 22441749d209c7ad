import type { Dims3 } from "../../../data/volume.ts";
import { slotPair } from "../../../evaluate/label_slots.ts";
import { percentile } from "../../../evaluate/mean.ts";
import { overlapMetrics, pairOverlap } from "../../../evaluate/overlap.ts";
import { describeResamples } from "../../../evaluate/ranking/bootstrap.ts";
import { rank } from "../../../evaluate/ranking/rank.ts";
import {
  aggregateThenRank,
  type Draw,
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
import { dims3, eachCase } from "../gpu.ts";
import { type Checker, type GoldenCase, type GoldenGroup, goldenNumber, type TensorRef } from "../support.ts";

/** "All numbers float64; compare with rtol 1e-9 (counts exactly)", and what a distance of 0 may differ by. */
const TOLERANCE = { rtol: 1e-9, atol: 1e-12 };

type Numbers = Readonly<Record<string, unknown>>;

/** Compares metrics, averages and ranks; the tables of surfel areas are compared as well. */
export async function run(group: GoldenGroup, check: Checker): Promise<void> {
  const tables = (group.manifest.surfel_area_tables ?? {}) as Readonly<Record<string, number[]>>;
  for (const [spacing, areas] of Object.entries(tables)) {
    const found = surfelAreas(JSON.parse(spacing) as Dims3);
    check.closeValues("surfel areas", spacing, found, areas, TOLERANCE);
  }
  await eachCase(group, check, (c) => {
    if (c.op === "nnunet_compute_metrics") overlapCase(group, c, check);
    else if (c.op === "surface_metrics") surfaceCase(group, c, check);
    else if (c.op === "nnunet_average") averageCase(c, check);
    else if (c.op === "rank_aggregation") rankCase(group, c, check);
    else throw new Error(`unknown op ${c.op}`);
    return Promise.resolve();
  });
}

function labelMap(group: GoldenGroup, ref: TensorRef): { data: Uint16Array; shape: Dims3 } {
  const { data, shape } = group.tensor(ref);
  return {
    data: Uint16Array.from(data as ArrayLike<number>, Number),
    shape: dims3(shape.slice(-3), "shape"),
  };
}

/** A binary mask: 1 where the recorded one is not 0. */
function binaryMask(group: GoldenGroup, ref: TensorRef): { data: Uint8Array; shape: Dims3 } {
  const { data, shape } = labelMap(group, ref);
  return { data: Uint8Array.from(data, (value) => value === 0 ? 0 : 1), shape };
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
    const values = [label].flat();
    const keys = [`${label}`, classKey(values), `[${values.join(", ")}]`];
    const key = keys.find((name) => name in expected);
    if (key === undefined) check.miss(c.id, keys[1], "nothing is recorded for this class");
    else compareNumbers(check, c.id, key, found[i], expected[key]);
  });
  check.equal(c.id, "classes", Object.keys(expected).length, labels.length);
}

function surfaceCase(group: GoldenGroup, c: GoldenCase, check: Checker): void {
  const spacing = c.attributes.spacing_mm as unknown as Dims3;
  const gt = binaryMask(group, c.inputs.gt), pred = binaryMask(group, c.inputs.pred);
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
  const draws = recordedDraws(group, c, tables.length);
  const resampled = new Map(
    Object.entries(ORDERS).map(([name, order]) => [name, draws.map((draw) => order(tables, draw))]),
  );
  for (const [what, wanted] of Object.entries(expected)) {
    const resamples = resampled.get(what.replace("bootstrap_summary_", ""));
    if (what in EACH_DATASET) {
      const found = tables.map(EACH_DATASET[what]);
      check.closeValues(c.id, what, found.flat(), (wanted as number[][]).flat(), TOLERANCE);
    } else if (what in ORDERS) {
      check.closeValues(c.id, what, ORDERS[what](tables), wanted as number[], TOLERANCE);
    } else if (resamples) compareResamples(check, c.id, resamples, wanted as Numbers);
    else check.miss(c.id, what, "not computed");
  }
  for (const [name, ref] of Object.entries(c.outputs)) {
    const found = resampled.get(name.replace("bootstrap_", ""));
    if (found) check.close(c.id, name, found.flat(), ref);
    else check.miss(c.id, name, "not computed");
  }
}

/** What is recorded of every data set. */
const EACH_DATASET: Readonly<Record<string, (table: ScoreTable) => number[]>> = {
  mean_score: (table) => meanScores(table),
  rank_of_mean_per_dataset: (table) => rank(meanScores(table)),
  rank_of_mean_per_dataset_ties_min: (table) => rank(meanScores(table), { ties: "min" }),
  mean_rank_over_cases_per_dataset: (table) => meanRanks(table),
};

/** The two orders of ranking and aggregating. */
const ORDERS: Readonly<Record<string, (tables: readonly ScoreTable[], draws?: readonly Draw[]) => number[]>> =
  {
    aggregate_then_rank: aggregateThenRank,
    rank_then_aggregate: rankThenAggregate,
  };

/** Drawn cases, `[resamples][data sets]`. */
function recordedDraws(group: GoldenGroup, c: GoldenCase, datasets: number): Draw[][] {
  const drawn = Array.from({ length: datasets }, (_, i) => {
    const { data, shape: [, cases] } = group.tensor(c.inputs[`bootstrap_indices_${i}`]);
    const indices = Array.from(data as ArrayLike<number | bigint>, Number);
    return Array.from(
      { length: indices.length / cases },
      (_, b) => indices.slice(b * cases, (b + 1) * cases),
    );
  });
  return drawn[0].map((_, b) => drawn.map((draws) => draws[b]));
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
  const numbered = (name: string): number[] | undefined => {
    const [, what, number] = /^(first|percentile_)([\d.]+)$/.exec(name) ?? [];
    if (what === "first") return resampled.slice(0, Number(number)).flat();
    return what === undefined
      ? undefined
      : described.map((_, method) => percentile(resampled.map((row) => row[method]), Number(number)));
  };
  for (const [name, value] of Object.entries(expected)) {
    const actual = found[name] ?? numbered(name);
    if (actual === undefined) check.miss(id, name, "not computed");
    else check.closeValues(id, name, actual, (value as number[]).flat(), TOLERANCE);
  }
}
