import assert from "node:assert/strict";
import { hashRandom } from "../../data/random.ts";
import {
  type EvaluationSummary,
  learningCurve,
  methodNumbers,
  rankStability,
  summaryScores,
  svgFile,
  writeMethodReport,
} from "../../evaluate/mod.ts";
import { boxPlots } from "../../evaluate/report/box_plots.ts";
import { axisAround } from "../../evaluate/report/row_chart.ts";
import { scoreBars } from "../../evaluate/report/score_bars.ts";
import { classKey, type ClassMetrics } from "../../evaluate/types.ts";
import { temporaryFolder } from "../support/spawn.ts";
import { parseWellFormed } from "../support/well_formed.ts";

const METHODS = ["scratch <1>", "MAE", "S3D & more"];

/** Scores in which the second method is 0.02, the third 0.05 better than the first, with noise between cases. */
function datasets() {
  const random = hashRandom(6);
  return ["first", "second"].map((name, i) => ({
    name,
    scores: Array.from({ length: 8 + 4 * i }, () => {
      const base = 0.5 + 0.1 * random.uniform();
      return [base, base + 0.02, base + 0.05];
    }),
  }));
}

Deno.test("axisAround() covers the values with few round ticks", () => {
  for (
    const values of [[0.61, 0.73], [0, 0], [-0.013, 0.049], [5], [], [0.001, 900], [NaN, 2, Infinity, 3]]
  ) {
    const { low, high, ticks } = axisAround(values);
    const finite = values.filter(Number.isFinite);
    assert.ok(
      high > low && finite.every((value) => value >= low - 1e-12 && value <= high + 1e-12),
      `${values}`,
    );
    assert.ok(ticks.length >= 2 && ticks.length <= 9, `${ticks}`);
    assert.ok(Math.abs(ticks[0] - low) < 1e-12 && Math.abs(ticks.at(-1)! - high) < 1e-9 * Math.max(1, high));
  }
  assert.equal(axisAround([0.6, 0.7], { fromZero: true }).low, 0);
});

Deno.test("scoreBars() draws bars from 0 in order of score, undefined ones without a bar", () => {
  const estimate = (mean: number) => ({ mean, low: mean - 0.1, high: mean + 0.1 });
  const scores = [0.4, NaN, 0.8].map(estimate);
  const options = {
    name: "x",
    title: "X",
    metric: "Dice",
    methods: METHODS,
    scores,
    better: "higher",
  } as const;
  const { body, table } = scoreBars(options);
  assert.deepEqual(table.rows.map(([method]) => method), ["S3D & more", "scratch <1>", "MAE"]);
  assert.deepEqual(table.rows[2].slice(1), ["–", "–", "–"]);
  const svg = body.map((child) => typeof child === "object" && child !== null ? child.text : "").join("");
  const widths = [...svg.matchAll(/<rect class="bar"[^>]* width="([\d.]+)"/g)].map((match) =>
    Number(match[1])
  );
  assert.equal(widths.length, 2);
  assert.ok(Math.abs(widths[0] / widths[1] - 2) < 1e-3, `${widths}`);
});

Deno.test("boxPlots() has numpy's quartiles, whiskers to 1.5 ranges, and says how many cases are undefined", () => {
  const scores = [0.1, 0.5, 0.52, 0.54, 0.56, 0.58].map((value, i) => [value, i === 0 ? NaN : 0.9]);
  const { table, body } = boxPlots({ name: "x", title: "X", metric: "Dice", methods: ["a", "b"], scores });
  assert.deepEqual(table.rows[0], ["a", "6", "0.5050", "0.5300", "0.5550", "0.1000", "0.5800"]);
  assert.equal(table.rows[1][1], "5");
  assert.ok(JSON.stringify(body).includes("undefined: 1"));
});

Deno.test("writeMethodReport() writes a page that needs nothing else, figures and numbers, the same bytes each time", async () => {
  using folder = temporaryFolder();
  const options = {
    title: "Methods <&>",
    methods: METHODS,
    datasets: datasets(),
    baseline: METHODS[0],
    notes: ["Made up."],
    resamples: 100,
  };
  const { page, figures, numbers } = await writeMethodReport(`${folder.path}/a`, options);
  assert.equal(figures.length, 1 + 3 + 3 + 2);
  const text = await Deno.readTextFile(page);
  parseWellFormed(text);
  for (const figure of figures) parseWellFormed(await Deno.readTextFile(figure));
  assert.ok(!/<script|https?:(?!\/\/www\.w3\.org)|src=/.test(text));
  for (const wanted of ["Methods &lt;&amp;&gt;", "Made up.", "S3D &amp; more", "Wilcoxon", "Kendall"]) {
    assert.ok(text.includes(wanted), wanted);
  }
  const [mae, s3d] = numbers.comparisons;
  assert.ok(Math.abs(s3d.overall.mean - 0.05) < 1e-12 && Math.abs(mae.overall.low - 0.02) < 1e-9);
  assert.deepEqual(numbers.stability.meanRanks, [3, 2, 1]);
  assert.deepEqual(s3d.datasets.map(({ wins, wilcoxon }) => [wins, wilcoxon.p]), [[8, 2 / 2 ** 8], [
    12,
    2 / 2 ** 12,
  ]]);
  assert.equal(s3d.datasets[1].adjustedP, 4 * 2 / 2 ** 12);
  assert.equal(mae.datasets[0].adjustedP, 2 * 2 / 2 ** 8);
  assert.ok(
    numbers.overall[0].low < numbers.overall[0].mean && numbers.overall[0].mean < numbers.overall[0].high,
  );
  const again = await writeMethodReport(`${folder.path}/b`, options);
  assert.equal(await Deno.readTextFile(again.page), text);
  assert.equal(
    await Deno.readTextFile(`${folder.path}/b/report.json`),
    await Deno.readTextFile(`${folder.path}/a/report.json`),
  );

  const alone = await writeMethodReport(`${folder.path}/c`, {
    ...options,
    datasets: datasets().slice(0, 1),
    baseline: undefined,
  });
  assert.deepEqual(alone.figures.map((path) => path.split("/").at(-1)), [
    "scores.svg",
    "ranks_1.svg",
    "cases_1.svg",
  ]);
  assert.throws(
    () => methodNumbers({ ...options, baseline: "other" }),
    /compare with other: found no such method/,
  );
});

/** A summary of one class with the given Dice in each case. */
function summary(dice: Record<string, number>, values = [1], tolerance = 1): EvaluationSummary {
  const key = classKey(values);
  const metrics = (Dice: number) => ({ Dice, IoU: Dice, NSD: Dice }) as ClassMetrics;
  const cases = Object.entries(dice).map(([id, value]) => ({
    id,
    reference_file: id,
    prediction_file: id,
    spacing: [1, 1, 1] as const,
    metrics: { [key]: metrics(value) },
  }));
  return {
    foreground_mean: metrics(0.25),
    mean: {},
    metric_per_case: cases,
    classes: [{ key, name: key, values, tolerance }],
    ignore_label: null,
    surface: false,
    warnings: [],
  };
}

Deno.test("summaryScores() pairs cases by id and refuses evaluations that do not belong together", () => {
  const a = summary({ x: 0.1, y: 0.2 }), b = summary({ y: 0.4, x: 0.3 });
  const found = summaryScores("set", ["a", "b"], [a, b], "Dice");
  assert.deepEqual(found, { name: "set", scores: [[0.1, 0.3], [0.2, 0.4]], datasetScores: [0.25, 0.25] });
  assert.deepEqual(rankStability({ methods: ["a", "b"], datasets: [found], resamples: 3 }).meanRanks, [
    1.5,
    1.5,
  ]);
  const compare = (other: EvaluationSummary, metric: "Dice" | "NSD" = "Dice") => () =>
    summaryScores("set", ["a", "b"], [a, other], metric);
  assert.throws(compare(summary({ x: 0.1, z: 0.2 })), /on set: found case z with a or with b only/);
  assert.throws(compare(summary({ x: 0.1, y: 0.2 }, [1, 2])), /found classes 1 with a and \(1, 2\) with b/);
  assert.throws(compare(b, "NSD"), /found no NSD with a/);
});

Deno.test("learningCurve() places amounts on a logarithmic axis and higher scores higher", () => {
  const point = (amount: number, mean: number) => ({ amount, mean, low: mean - 0.1, high: mean + 0.1 });
  const figure = learningCurve({
    name: "curve",
    title: "Dice",
    metric: "Dice",
    amounts: "labelled cases",
    curves: [
      { method: "a <1>", points: [point(10, 0.8), point(1, 0.5), point(100, 0.9)] },
      { method: "b", points: [point(1, NaN)] },
    ],
  });
  const text = svgFile(figure);
  parseWellFormed(text);
  const circles = [...text.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map((match) =>
    match.slice(1).map(Number)
  );
  assert.equal(circles.length, 3);
  const [[x0, y0], [x1, y1], [x2, y2]] = circles;
  assert.ok(Math.abs((x1 - x0) - (x2 - x1)) < 0.02 && x1 > x0);
  assert.ok(Math.abs((y0 - y1) / (y1 - y2) - 3) < 0.01);
  assert.deepEqual(figure.table.rows[0], ["a <1>", "10", "0.8000", "0.7000", "0.9000"]);
});
