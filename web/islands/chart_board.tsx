/** @jsxImportSource npm:preact@11.2.0 */
import type { RunDetail } from "../api.ts";
import { type ChartFacts, type ChartSpec, chartSpecs, classMetric, comparedSpecs } from "./chart_specs.ts";
import { type AxisKind, type Curve, stepsBetween } from "./curve.ts";
import { useMemo, useState, type VNode } from "./deps.ts";
import { type ChartLine, type ChartRange, LineChart } from "./line_chart.tsx";
import { useLive } from "./live.ts";
import { axisNames } from "./plot_options.ts";
import { seriesAddress, useCurves, useZoomedCurves } from "./use_curves.ts";

type Segmentations = RunDetail["segmentations"];

/** Props of {@linkcode ChartBoard}. */
export interface ChartBoardProps {
  /** One run with all its curves, or several with a chart for each curve. */
  readonly runs: readonly { readonly id: string; readonly stepsPerEpoch: number }[];
  readonly facts: ChartFacts;
  /** Validations of a single fine-tuning. */
  readonly segmentations: Segmentations;
}

/** Dice of each class as curves, with the times of the curve of the mean. */
export function classCurves(
  segmentations: Segmentations,
  mean: Curve | undefined,
): Readonly<Record<string, Curve>> {
  const step = segmentations.map((row) => row.step - 1);
  const seconds = step.map((at) => mean?.seconds[mean.step.indexOf(at)] ?? NaN);
  return Object.fromEntries((segmentations[0]?.pseudoDice ?? []).map((_, index) => {
    const values = segmentations.map(({ pseudoDice }) => pseudoDice[index] ?? NaN);
    return [classMetric(index), { step, mean: values, lowest: values, highest: values, seconds }];
  }));
}

/** All charts of a run, or of several runs over each other, with one axis, smoothing and zoom; grows with the runs. */
export function ChartBoard({ runs, ...initial }: ChartBoardProps): VNode {
  const [axis, setAxis] = useState<AxisKind>("step"), [smoothing, setSmoothing] = useState(0);
  const [range, setRange] = useState<ChartRange>(null);
  const [facts, setFacts] = useState(initial.facts);
  const [segmentations, setSegmentations] = useState(initial.segmentations);
  const ids = runs.map(({ id }) => id), single = runs.length === 1;
  const specs = useMemo(() => single ? chartSpecs(facts) : comparedSpecs(chartSpecs(facts)), [facts]);
  const names = useMemo(() => {
    const all = specs.flatMap(({ curves }) => curves.map(({ metric }) => metric));
    return [...new Set(all)].filter((name) => !name.startsWith(classMetric(0).slice(0, -1)));
  }, [specs]);
  const { curves, error } = useCurves(ids, names);
  useLive(ids, (message) => {
    if (message.type !== "events" || !single) return;
    for (const { event } of message.events) {
      if (event.type === "validation") {
        const { valLossConstant: constant, valLossNearest: nearest } = event as Record<string, number>;
        setFacts((old) => ({ ...old, baselines: { constant, nearest } }));
      } else if (event.type === "segmentation") {
        const row = event as unknown as Segmentations[number];
        const pseudoDice = row.pseudoDice.map((dice) => typeof dice === "number" ? dice : null);
        setSegmentations((old) => [...old.filter(({ step }) => step < row.step), { ...row, pseudoDice }]);
      }
    }
  });
  const ranges = useMemo(() => {
    if (range === null) return null;
    const found = runs.flatMap(({ id, stepsPerEpoch }) => {
      const longest = Object.values(curves[id] ?? {}).sort((a, b) => b.step.length - a.step.length)[0];
      const steps = longest && stepsBetween(longest, axis, stepsPerEpoch, range);
      return steps ? [[id, steps] as const] : [];
    });
    return Object.fromEntries(found);
  }, [range]);
  const zoomed = useZoomedCurves(ranges, names);
  const ofClasses = useMemo(() => classCurves(segmentations, curves[ids[0]]?.meanDice), [
    segmentations,
    curves,
  ]);
  const charts = useMemo(() =>
    specs.map((spec) => ({
      spec,
      lines: runs.flatMap(({ id, stepsPerEpoch }) =>
        spec.curves.flatMap(({ metric, label, band, map }): ChartLine[] => {
          const curve = zoomed?.[id]?.[metric] ?? curves[id]?.[metric] ??
            (single ? ofClasses[metric] : undefined);
          return curve
            ? [{ label: single ? label : id, curve, stepsPerEpoch, band: band && single, map }]
            : [];
        })
      ),
    })).filter(({ lines }) => lines.length > 0), [specs, curves, zoomed, ofClasses]);

  const csv = ({ curves }: ChartSpec) => {
    const metrics = curves.map(({ metric }) => metric).filter((metric) => names.includes(metric));
    return seriesAddress("series.csv", ids[0], metrics) +
      ids.slice(1).map((id) => `&run=${encodeURIComponent(id)}`).join("");
  };
  const groups = Map.groupBy(charts, ({ spec }) => spec.group);
  return (
    <>
      <form class="toolbar" onSubmit={(event) => event.preventDefault()}>
        <fieldset>
          <legend>axis</legend>
          {(["step", "epoch", "time"] as const).map((kind) => (
            <label key={kind}>
              <input
                type="radio"
                name="axis"
                checked={axis === kind}
                onChange={() => (setAxis(kind), setRange(null))}
              />
              {axisNames[kind]}
            </label>
          ))}
        </fieldset>
        <label>
          smoothing{" "}
          <input
            type="range"
            min="0"
            max="0.99"
            step="0.01"
            value={smoothing}
            onInput={(event) => setSmoothing(Number(event.currentTarget.value))}
          />
          <output class="number">{smoothing.toFixed(2)}</output>
        </label>
        <button type="button" disabled={range === null} onClick={() => setRange(null)}>
          show everything
        </button>
        <small>drag to zoom, double click for everything</small>
      </form>
      {error && <p class="notice" role="alert">The curves cannot be shown: {error}</p>}
      {charts.length === 0 && !error && (
        <p class="empty">
          {ids.every((id) => curves[id])
            ? "No metrics yet: the first ones come after some steps."
            : "Loading the curves…"}
        </p>
      )}
      {[...groups].map(([group, members]) => (
        <section key={group}>
          <h2>{group}</h2>
          <div class="charts">
            {members.map(({ spec, lines }) => (
              <LineChart
                key={spec.title}
                title={spec.title}
                unit={spec.unit}
                log={spec.log}
                lines={lines}
                references={single ? spec.references : undefined}
                axis={axis}
                smoothing={smoothing}
                range={range}
                onRange={setRange}
                csv={csv(spec)}
              />
            ))}
          </div>
        </section>
      ))}
    </>
  );
}
