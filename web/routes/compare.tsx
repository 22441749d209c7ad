/** @jsxImportSource npm:preact@11.2.0 */
import { Island } from "../island.tsx";
import { StateBadge } from "../islands/run_status.tsx";
import { formatDuration, formatNumber } from "../islands/format.ts";
import { HttpError, type Route } from "../route.ts";
import { compareRuns } from "../runs/config_diff.ts";

/** Runs that one page shows at most: as many as the colours tell apart, with dashes. */
const MAX_RUNS = 14;

/** Several runs over each other, with what differs between their configurations. */
export const compareRoute: Route = {
  method: "GET",
  path: "/compare",
  async handle({ url, dashboard }) {
    const ids = [...new Set(url.searchParams.getAll("run"))];
    if (ids.length < 2 || ids.length > MAX_RUNS) {
      throw new HttpError(
        400,
        `Cannot compare ${ids.length} runs, wanted 2 to ${MAX_RUNS}: choose them in the list of runs`,
      );
    }
    const { runs, differences, stepsPerEpoch } = await compareRuns(dashboard.runs, ids);
    const facts = {
      kind: runs[0].kind,
      clipNorm: null,
      peakFlopPerSecond: null,
      baselines: null,
      classes: [],
    };
    const board = ids.map((id, i) => ({ id, stepsPerEpoch: stepsPerEpoch[i] ?? 1 }));
    const results: readonly (readonly [string, (run: typeof runs[number]) => string])[] = [
      ["step", ({ step, steps }) => `${formatNumber(step)} of ${formatNumber(steps)}`],
      ["training loss", ({ loss }) => formatNumber(loss)],
      ["validation loss", ({ valLoss }) => formatNumber(valLoss)],
      ["mean pseudo Dice", ({ meanDice }) => formatNumber(meanDice)],
      ["steps/s", ({ stepsPerSecond }) => formatNumber(stepsPerSecond)],
      ["time left", ({ etaSeconds }) => formatDuration(etaSeconds)],
      ["adapter", ({ adapter }) => adapter ?? "–"],
    ];
    return {
      title: `${ids.length} runs compared`,
      body: (
        <div class="stack">
          <h1>{ids.length} runs compared</h1>
          <section class="panel" aria-label="Results and settings">
            <div class="scroll" tabIndex={0} role="region" aria-label="Results and settings that differ">
              <table>
                <thead>
                  <tr>
                    <td />
                    {runs.map(({ id, state }) => (
                      <th key={id} scope="col">
                        <a href={`/run/${encodeURIComponent(id)}`}>{id}</a> <StateBadge state={state} />
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {results.map(([name, show]) => (
                    <tr key={name}>
                      <th scope="row">{name}</th>
                      {runs.map((run) => <td key={run.id}>{show(run)}</td>)}
                    </tr>
                  ))}
                </tbody>
                <tbody>
                  {differences.map(({ path, values }) => (
                    <tr key={path}>
                      <th scope="row">{path}</th>
                      {values.map((value, i) => <td key={i} class="wide">{value ?? "–"}</td>)}
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
            {differences.length === 0 && <p class="empty">Their configurations are the same.</p>}
          </section>
          <Island name="ChartBoard" props={{ runs: board, facts, segmentations: [] }} />
        </div>
      ),
    };
  },
};
