import assert from "node:assert/strict";
import type { RunDetail, RunInfo, Series } from "../../web/api.ts";
import { createDashboard } from "../../web/dashboard.ts";
import { renderToString } from "../../web/deps.ts";
import { chartFacts, chartSpecs, classMetric, comparedSpecs } from "../../web/islands/chart_specs.ts";
import { drawCurve, extendCurve, smooth, stepsBetween, toCurve } from "../../web/islands/curve.ts";
import { h } from "../../web/islands/deps.ts";
import {
  formatAgo,
  formatBytes,
  formatDuration,
  formatNumber,
  formatValue,
} from "../../web/islands/format.ts";
import { describeEvent, RunEvents } from "../../web/islands/run_events.tsx";
import { RunNotes } from "../../web/islands/run_notes.tsx";
import { RunTable } from "../../web/islands/run_table.tsx";
import { runDetail } from "../../web/runs/run_detail.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { MadeUpRun } from "./made_up_run.ts";

/** A series of one value a step, from step `first`. */
function series(values: readonly (number | null)[], first = 0): Series {
  return {
    name: "loss",
    step: values.map((_, i) => first + i),
    mean: values,
    lowest: values,
    highest: values,
    seconds: values.map((_, i) => (first + i) / 2),
  };
}

const info: RunInfo = {
  id: "study/<first>",
  kind: "pretraining",
  state: "running",
  step: 250,
  steps: 1000,
  epoch: 2,
  epochs: 10,
  loss: 0.51234,
  valLoss: null,
  meanDice: null,
  stepsPerSecond: 2.5,
  etaSeconds: 300,
  adapter: "an adapter",
  seed: 0,
  started: 1e12,
  lastSeen: 1e12,
  message: null,
};

Deno.test("numbers are written with their units and few digits", () => {
  const texts = [0, 1234, 0.123456, 12.3456, 0.000012345, 2.5e8 + 0.5, -0.5, NaN, Infinity, null].map(
    formatNumber,
  );
  assert.deepEqual(texts, ["0", "1,234", "0.123", "12.35", "1.23e-5", "2.50e8", "-0.500", "–", "∞", "–"]);
  assert.equal(formatValue(0.755, "%"), "75.50 %");
  assert.equal(formatValue(2.1e11, "FLOP/s"), "210 GFLOP/s");
  assert.equal(formatValue(754, "ms"), "754 ms");
  assert.equal(formatValue(95_000, "ms"), "1 min 35 s");
  assert.equal(formatBytes(8.64 * 2 ** 30), "8.640 GiB");
  assert.equal(formatBytes(0), "0 B");
  assert.deepEqual([0.25, 42, 250, 3600, 90_061, NaN].map(formatDuration), [
    "0.25 s",
    "42 s",
    "4 min 10 s",
    "1 h",
    "1 d 1 h",
    "–",
  ]);
  assert.equal(formatAgo(0, 5), "never");
  assert.equal(formatAgo(1_000_000, 1_000_500), "now");
  assert.equal(formatAgo(1_000_000, 5_500_000), "1 h ago");
});

Deno.test("extendCurve() keeps its bound, the extremes and the mean, whatever arrives", () => {
  let curve = extendCurve(undefined, series([]), 100);
  const values = Array.from({ length: 25_600 }, (_, i) => Math.sin(i * 0.37) + (i === 777 ? 50 : 0));
  for (let at = 0; at < values.length; at += 64) {
    curve = extendCurve(curve, series(values.slice(at, at + 64), at), 100);
    assert.ok(curve.step.length <= 100, `${curve.step.length} points after ${at} steps`);
  }
  assert.equal(curve.step.at(-1), 25_599);
  assert.equal(Math.max(...curve.highest), values[777]);
  assert.equal(Math.min(...curve.lowest), Math.min(...values));
  assert.ok(curve.step.every((step, i) => i === 0 || step > curve.step[i - 1]));
  assert.ok(curve.mean.every((mean, i) => curve.lowest[i] <= mean && mean <= curve.highest[i]));
});

Deno.test("extendCurve() ignores what it has and joins points without values", () => {
  const curve = extendCurve(undefined, series([1, 2, 3]));
  assert.equal(extendCurve(curve, series([9, 9], 1)), curve);
  assert.deepEqual(extendCurve(curve, series([9, 4], 2)).mean, [1, 2, 3, 4]);
  const gaps = extendCurve(undefined, series([1, null, null, null, 5, 7, null, 9]), 4);
  assert.deepEqual(gaps.mean, [1, 7]);
  assert.deepEqual(gaps.highest, [1, 9]);
});

Deno.test("smooth() has no bias at its start and keeps gaps", () => {
  assert.deepEqual(smooth([3, 3, NaN, 3], 0.9).map((value) => Number(value.toFixed(12))), [3, 3, NaN, 3]);
  const values = [1, 5, 2, 8];
  assert.equal(smooth(values, 0), values);
  const direct = values.map((_, n) => {
    const weights = values.slice(0, n + 1).map((_, i) => 0.7 ** (n - i));
    return weights.reduce((sum, weight, i) => sum + weight * values[i], 0) / weights.reduce((a, b) => a + b);
  });
  smooth(values, 0.7).forEach((value, i) => assert.ok(Math.abs(value - direct[i]) < 1e-12));
});

Deno.test("drawCurve() counts steps, epochs or seconds, and leaves out what a logarithm has no place for", () => {
  const curve = toCurve(series([4, 0, null, -1, 8]));
  const plain = { stepsPerEpoch: 2, smoothing: 0, log: false };
  assert.deepEqual(drawCurve(curve, { ...plain, axis: "step" }).x, [1, 2, 3, 4, 5]);
  assert.deepEqual(drawCurve(curve, { ...plain, axis: "epoch" }).x, [0.5, 1, 1.5, 2, 2.5]);
  assert.deepEqual(drawCurve(curve, { ...plain, axis: "time" }).x, [0, 0.5, 1, 1.5, 2]);
  assert.deepEqual(drawCurve(curve, { ...plain, axis: "step" }).y, [4, 0, null, -1, 8]);
  assert.deepEqual(drawCurve(curve, { ...plain, axis: "step", log: true }).y, [4, null, null, null, 8]);
  const rates = drawCurve({ ...curve, lowest: [2, 1, 1, 1, 4] }, {
    ...plain,
    axis: "step",
    map: (ms) => 1000 / ms,
  });
  assert.deepEqual(
    [rates.lowest[0], rates.y[0], rates.highest[0]],
    [250, 250, 500],
    "a falling map swaps the ends",
  );
  const stalled = { ...curve, seconds: [NaN, 1, 1, 2, 1.5] };
  assert.deepEqual(drawCurve(stalled, { ...plain, axis: "time" }).x, [1, 2], "time only grows");
});

Deno.test("stepsBetween() finds the stored steps of a zoomed range", () => {
  const curve = toCurve(series([1, 2, 3, 4, 5, 6]));
  assert.deepEqual(stepsBetween(curve, "step", 10, [2.2, 4.1]), [1, 4]);
  assert.deepEqual(stepsBetween(curve, "epoch", 10, [-1, 0.3]), [0, 2]);
  assert.deepEqual(stepsBetween(curve, "time", 10, [0.9, 2.1]), [2, 4]);
  assert.equal(stepsBetween(curve, "time", 10, [50, 60]), null);
});

Deno.test("a chart for everything that a run measures, with the lines to compare with", () => {
  const facts = {
    kind: "pretraining",
    clipNorm: 12,
    peakFlopPerSecond: 1e12,
    baselines: { constant: 0.8, nearest: 0.6 },
    classes: [],
  } as const;
  const specs = chartSpecs(facts);
  const shown = new Set(specs.flatMap(({ curves }) => curves.map(({ metric }) => metric)));
  for (
    const metric of [
      "loss",
      "trainLoss",
      "valLoss",
      "lr",
      "gradNorm",
      "lossScale",
      "skipped",
      "maskRatio",
      "stepMs",
      "dataWaitMs",
      "queueDepth",
      "voxelsPerSecond",
      "flopPerSecond",
      "validationMs",
      "checkpointMs",
    ]
  ) assert.ok(shown.has(metric), metric);
  assert.deepEqual(specs[0].references?.map(({ value }) => value), [0.8, 0.6]);
  const titles = specs.map(({ title }) => title);
  assert.equal(new Set(titles).size, titles.length, "titles are unique: they are keys");
  const peak = specs.find(({ title }) => title === "Share of peak");
  assert.equal(peak?.curves[0].map?.(2.5e11), 0.25);
  const tuning = chartSpecs({
    ...facts,
    kind: "finetuning",
    peakFlopPerSecond: null,
    classes: ["brain", "tumour"],
  });
  assert.deepEqual(tuning.find(({ title }) => title === "Pseudo Dice")?.curves.map(({ label }) => label), [
    "mean",
    "moving average",
    "brain",
    "tumour",
  ]);
  assert.ok(!tuning.some(({ title }) => title === "Share of peak"));
  const compared = comparedSpecs(tuning);
  assert.ok(compared.every(({ curves }) => curves.length === 1));
  assert.equal(new Set(compared.map(({ title }) => title)).size, compared.length);
  assert.equal(classMetric(1), "pseudoDice.1");
});

Deno.test("the list of runs says how they do, and that there are none", () => {
  const other: RunInfo = {
    ...info,
    id: "old",
    kind: "finetuning",
    state: "stale",
    meanDice: 0.81,
    steps: null,
    etaSeconds: null,
  };
  const html = renderToString(h(RunTable, { runs: [info, other], now: 1e12 + 120_000 }));
  for (
    const text of [
      "study/&lt;first>",
      "running",
      "stale",
      "0.512",
      "0.810",
      "2 min ago",
      "an adapter",
      "5 min",
    ]
  ) {
    assert.ok(html.includes(text), `${text} in ${html}`);
  }
  assert.ok(html.includes('href="/run/study%2F%3Cfirst%3E"'), html);
  assert.ok(!html.includes(" style="), "the content security policy refuses style attributes");
  assert.match(renderToString(h(RunTable, { runs: [], now: 0 })), /No run here yet/);
});

Deno.test("every kind of event is told in words", () => {
  const told = (type: Parameters<typeof describeEvent>[0]["type"], event: Record<string, unknown>) =>
    describeEvent({ type, event: { type, step: 10, ...event } });
  assert.equal(told("started", { adapter: "GPU", resumedFrom: null }), "started on GPU");
  assert.equal(told("started", { adapter: "GPU", resumedFrom: "x" }), "goes on from step 10 on GPU");
  assert.match(
    told("plan", { phase: "micro", plan: { dispatches: 612, flop: 4e12, peakBytes: 2 ** 30 } }),
    /micro: 612 dispatches, .*1 GiB/,
  );
  assert.match(
    told("validation", { valLoss: 0.5, valLossConstant: 0.8, valLossNearest: "NaN" }),
    /0.500 .*0.800.*–/,
  );
  assert.match(told("segmentation", { meanDice: 0.7, emaDice: 0.6, valLoss: 0.1 }), /0.700.*0.600.*0.100/);
  assert.equal(
    told("checkpoint", { kind: "best", path: "/data/runs/a/checkpoints/best.safetensors" }),
    "best saved as checkpoints/best.safetensors",
  );
  assert.equal(told("picture", { path: "/data/runs/a/pictures/step_1.png" }), "pictures/step_1.png");
  assert.equal(told("warning", { message: "loss is NaN" }), "loss is NaN");
  assert.equal(told("stopped", { reason: "request" }), "stopped: request");
  assert.equal(told("finished", { seconds: 60 }), "finished after 1 min");
  assert.equal(
    told("stage", { name: "decoder", trained: 3, parameters: 9 }),
    "stage decoder: 3 of 9 tensors move",
  );
});

Deno.test("text from outside is shown as text, and control only where it is allowed", () => {
  const evil = "<script>alert(1)</script>";
  const events = renderToString(
    h(RunEvents, { run: "a", events: [], warnings: [{ time: 1, step: 2, message: evil }] }),
  );
  const notes = (allowControl: boolean, takesRequests: boolean) =>
    renderToString(h(RunNotes, { run: "a", notes: [{ time: 1, text: evil }], allowControl, takesRequests }));
  for (const html of [events, notes(true, true)]) {
    assert.ok(html.includes("&lt;script") && !html.includes("<script"), html);
  }
  assert.deepEqual([/New note/, /Stop after/].map((text) => text.test(notes(true, true))), [true, true]);
  assert.deepEqual([/New note/, /<button[^>]*>Stop after/].map((text) => text.test(notes(true, false))), [
    true,
    false,
  ]);
  assert.ok(!/New note/.test(notes(false, false)));
});

Deno.test("the pages of a list, a run and a comparison come from the files of the runs", async () => {
  await withFolder(async (folder) => {
    using first = await MadeUpRun.start(`${folder}/first`, 4);
    using second = await MadeUpRun.start(`${folder}/second`, 4, { seed: 7 });
    first.advance(25);
    second.advance(40);
    second.finish();
    const dashboard = await createDashboard({
      roots: [folder],
      token: null,
      allowControl: false,
      version: "0.0.0",
    });
    const get = async (path: string) => {
      const response = await dashboard.fetch(
        new Request(`http://127.0.0.1:8765${path}`, { headers: { host: "127.0.0.1:8765" } }),
      );
      return { status: response.status, html: await response.text() };
    };
    try {
      const list = await get("/");
      assert.equal(list.status, 200, list.html);
      assert.match(list.html, /first[\s\S]*second|second[\s\S]*first/);
      const run = await get("/run/first");
      assert.equal(run.status, 200, run.html);
      for (
        const text of ["optimizer.lr", "imaginary", "Configuration", "snapshot.html", "Loading the curves"]
      ) {
        assert.ok(run.html.includes(text), text);
      }
      assert.ok(!/ style=| onclick=/i.test(run.html));
      const compared = await get("/compare?run=first&run=second");
      assert.equal(compared.status, 200, compared.html);
      assert.match(compared.html, /<th[^>]*>seed<\/th><td[^>]*>0<\/td><td[^>]*>7<\/td>/);
      assert.equal((await get("/compare?run=first")).status, 400);
      assert.equal((await get("/compare?run=first&run=third")).status, 404);
      assert.equal((await get("/run/third")).status, 404);
      const detail: RunDetail = await runDetail(dashboard.context.runs, "second", false);
      assert.deepEqual(chartFacts(detail), {
        kind: "pretraining",
        clipNorm: 12,
        peakFlopPerSecond: 1e12,
        baselines: { constant: 1, nearest: 0.6 },
        classes: [],
      });
    } finally {
      await dashboard.close();
    }
  });
});
