/** @jsxImportSource npm:preact@11.2.0 */
import { asset } from "../assets.ts";
import { renderToString } from "../deps.ts";
import { classCurves } from "../islands/chart_board.tsx";
import { chartFacts, chartSpecs } from "../islands/chart_specs.ts";
import { drawCurve, toCurve } from "../islands/curve.ts";
import type { VNode } from "../islands/deps.ts";
import { formatNumber, formatTime } from "../islands/format.ts";
import { MemoryPlanLegend, MemoryPlanPicture, MemoryPlanTables } from "../islands/memory_plan.tsx";
import { layoutMemoryPlan } from "../islands/memory_plan_layout.ts";
import { describeEvent } from "../islands/run_events.tsx";
import { RunStatus } from "../islands/run_status.tsx";
import type { RunDetail, Series } from "../api.ts";
import type { Route } from "../route.ts";
import { runDetail } from "../runs/run_detail.ts";
import type { RunStore } from "../runs/run_store.ts";
import { runSeries } from "../runs/series.ts";
import { StaticChart } from "../static_chart.tsx";
import type { MemoryPlan } from "../../train/memory_plan.ts";

/** What a snapshot may load: nothing but what is written into it. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";
/** Points of a curve: more than a chart of a snapshot has pixels. */
const POINTS = 700;

/** Everything about a run in one file that needs no server, no network and no script. */
export const snapshotRoute: Route = {
  method: "GET",
  path: "/run/:id/snapshot.html",
  async handle({ params: { id }, dashboard: { runs, version } }) {
    const detail = await runDetail(runs, id, false);
    const { series } = await runSeries(runs, id, { names: detail.metrics, points: POINTS });
    const style = new TextDecoder().decode((await asset("style.css"))!.body);
    const html = renderToString(
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta http-equiv="Content-Security-Policy" content={POLICY} />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <title>{`${id} – Spark3D`}</title>
          <style dangerouslySetInnerHTML={{ __html: style }} />
        </head>
        <body>
          <main class="snapshot">
            <Snapshot
              detail={detail}
              series={series}
              plan={await readPlan(runs, id)}
              pictures={await readPictures(runs, detail)}
            />
          </main>
          <footer class="bottom">Spark3D {version}, {formatTime(Date.now())} UTC</footer>
        </body>
      </html>,
    );
    const name = id.replace(/[^\w.-]+/g, "_");
    return new Response(`<!doctype html>${html}`, {
      headers: {
        "content-type": "text/html; charset=utf-8",
        "content-disposition": `attachment; filename="${name}.html"`,
      },
    });
  },
};

interface SnapshotProps {
  readonly detail: RunDetail;
  readonly series: readonly Series[];
  readonly plan: MemoryPlan | null;
  readonly pictures: readonly { readonly name: string; readonly url: string }[];
}

function Snapshot({ detail, series, plan, pictures }: SnapshotProps): VNode {
  const { info, notes, warnings, rejected, events } = detail;
  const layout = plan && layoutMemoryPlan(plan);
  const stepsPerEpoch = Number(detail.config.stepsPerEpoch) || 1;
  const stored = Object.fromEntries(series.map((one) => [one.name, toCurve(one)]));
  const known = { ...stored, ...classCurves(detail.segmentations, stored.meanDice) };
  const empty = { step: [], mean: [], lowest: [], highest: [], seconds: [] };
  return (
    <>
      <RunStatus info={info} now={Date.now()} />
      <section class="static-charts" aria-label="Charts">
        {chartSpecs(chartFacts(detail)).map((spec) => (
          <StaticChart
            key={spec.title}
            spec={spec}
            curves={spec.curves.map(({ metric, map }) =>
              drawCurve(known[metric] ?? empty, {
                axis: "step",
                stepsPerEpoch,
                smoothing: 0,
                log: spec.log ?? false,
                map,
              })
            )}
          />
        ))}
      </section>
      {pictures.map(({ name, url }) => (
        <figure key={name}>
          <img class="stored-picture" src={url} alt={`Reconstruction, ${name}`} />
          <figcaption>{name}</figcaption>
        </figure>
      ))}
      {layout && (
        <section>
          <h2>GPU memory</h2>
          <MemoryPlanPicture layout={layout} />
          <MemoryPlanLegend />
          <MemoryPlanTables layout={layout} />
        </section>
      )}
      <Table name="Notes" rows={notes.map(({ time, text }) => [formatTime(time), text])} />
      <Table
        name="Warnings"
        rows={warnings.map(({ step, message }) => [`step ${formatNumber(step)}`, message])}
      />
      <Table name="Rejected volumes" rows={rejected.map(({ file, reason }) => [file, reason])} />
      <Table
        name="Events"
        rows={events.map((item) => [formatTime(item.time), item.type, describeEvent(item)])}
      />
      <Text name="Configuration" text={JSON.stringify(detail.config, null, 1)} />
      <Text name="Environment" text={JSON.stringify(detail.environment, null, 1)} />
      {detail.plan && <Text name="Plan" text={detail.plan} />}
    </>
  );
}

function Text({ name, text }: { readonly name: string; readonly text: string }): VNode {
  return (
    <details>
      <summary>{name}</summary>
      <pre>{text}</pre>
    </details>
  );
}

function Table(
  { name, rows }: { readonly name: string; readonly rows: readonly (readonly string[])[] },
): VNode | null {
  if (rows.length === 0) return null;
  return (
    <details class="scroll" open={rows.length < 20}>
      <summary>{name}</summary>
      <table>
        <tbody>
          {rows.map((row, i) => <tr key={i}>{row.map((cell, column) => <td key={column}>{cell}</td>)}</tr>)}
        </tbody>
      </table>
    </details>
  );
}

/** plan.json of a run; null where there is none, or where it cannot be read. */
async function readPlan(runs: RunStore, id: string): Promise<MemoryPlan | null> {
  try {
    return JSON.parse(await Deno.readTextFile(await runs.file(id, "plan.json")));
  } catch {
    return null;
  }
}

/** The first and the newest picture of a run, as data URIs. */
async function readPictures(
  runs: RunStore,
  { info, pictures }: RunDetail,
): Promise<SnapshotProps["pictures"]> {
  const names = [...new Set([pictures[0], pictures.at(-1)])].filter((name) => name !== undefined);
  return await Promise.all(names.map(async (name) => {
    const bytes = await Deno.readFile(await runs.file(info.id, name));
    return { name, url: `data:image/png;base64,${bytes.toBase64()}` };
  }));
}
