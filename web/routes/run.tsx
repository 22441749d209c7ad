/** @jsxImportSource npm:preact@11.2.0 */
import type { RunDetail } from "../api.ts";
import { Island } from "../island.tsx";
import { chartFacts } from "../islands/chart_specs.ts";
import type { VNode } from "../islands/deps.ts";
import { formatNumber } from "../islands/format.ts";
import { StateBadge } from "../islands/run_status.tsx";
import type { Route } from "../route.ts";
import { flatten } from "../runs/config_diff.ts";
import { runDetail } from "../runs/run_detail.ts";

/** Everything about one run, as it trains. */
export const runRoute: Route = {
  method: "GET",
  path: "/run/:id",
  async handle({ params: { id }, dashboard: { runs, allowControl } }) {
    const detail = await runDetail(runs, id, allowControl);
    const { info, config, events, warnings, segmentations, notes, takesRequests, reports, rejected } = detail;
    const stepsPerEpoch = typeof config.stepsPerEpoch === "number" ? config.stepsPerEpoch : 1;
    const base = `/run/${encodeURIComponent(id)}`;
    return {
      title: id,
      run: { id, tab: "run" },
      body: (
        <>
          <Island name="RunStatus" props={{ info, now: Date.now() }} />
          <div class="columns">
            <div class="stack">
              <Island
                name="ChartBoard"
                props={{ runs: [{ id, stepsPerEpoch }], facts: chartFacts(detail), segmentations }}
              />
              <ClassTable detail={detail} />
              <FoldTable detail={detail} />
              {detail.memoryPlan && (
                <section class="panel" aria-label="Memory">
                  <h2>GPU memory</h2>
                  <Island name="MemoryPlanPanel" props={{ run: id }} />
                </section>
              )}
            </div>
            <aside class="stack" aria-label="Journal">
              <Island name="RunNotes" props={{ run: id, notes, takesRequests, allowControl }} />
              <Island name="RunEvents" props={{ run: id, events, warnings }} />
              {rejected.length > 0 && (
                <Facts
                  title={`${rejected.length} rejected volumes`}
                  rows={rejected.map(({ file, reason }) => [file, reason])}
                  open
                />
              )}
              <Facts title="Configuration" rows={flatten(config)} open />
              <Facts title="Environment" rows={flatten(detail.environment)} />
              {detail.summary && <Facts title="Summary" rows={flatten(detail.summary)} />}
              {detail.plan && (
                <details class="panel">
                  <summary>Compiled plan</summary>
                  <pre class="scroll tall" tabIndex={0}>{detail.plan}</pre>
                </details>
              )}
              <section class="panel" aria-label="Files">
                <h2>Files</h2>
                <ul>
                  <li>
                    <a href={`${base}/snapshot.html`} download>Snapshot of this page</a>{" "}
                    (HTML, works without the dashboard)
                  </li>
                  {reports.map(({ id, title, url }) => (
                    <li key={id}>
                      <a href={url}>Report {title}</a>
                    </li>
                  ))}
                </ul>
              </section>
            </aside>
          </div>
        </>
      ),
    };
  },
};

/** Names and values behind a heading that opens. */
function Facts({ title, rows, open }: {
  readonly title: string;
  readonly rows: readonly (readonly [string, string])[];
  readonly open?: boolean;
}): VNode {
  return (
    <details class="panel" open={open}>
      <summary>{title}</summary>
      {rows.length === 0
        ? <p class="empty">Nothing is stored.</p>
        : (
          <div class="scroll tall" tabIndex={0} role="region" aria-label={title}>
            <table class="facts">
              <tbody>
                {rows.map(([name, value]) => (
                  <tr key={name}>
                    <th scope="row">{name}</th>
                    <td class="wide">{value}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
    </details>
  );
}

/** Dice of each class at the newest validation and at the best one. */
function ClassTable({ detail: { classes, segmentations } }: { readonly detail: RunDetail }): VNode | null {
  const newest = segmentations.at(-1);
  if (!newest) return null;
  const best = segmentations.reduce((a, b) => (b.emaDice ?? -1) > (a.emaDice ?? -1) ? b : a);
  const dice = newest.pseudoDice.map((_, i) => classes[i] ?? `class ${i + 1}`);
  return (
    <section class="panel" aria-label="Classes">
      <h2>Pseudo Dice of each class</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Pseudo Dice of each class">
        <table>
          <thead>
            <tr>
              <th scope="col">class</th>
              <th scope="col">newest, epoch {newest.epoch}</th>
              <th scope="col">best average, epoch {best.epoch}</th>
            </tr>
          </thead>
          <tbody>
            {dice.map((name, i) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                {[newest, best].map(({ pseudoDice }, j) => <DiceCell key={j} value={pseudoDice[i]} />)}
              </tr>
            ))}
            <tr>
              <th scope="row">mean</th>
              <DiceCell value={newest.meanDice} />
              <DiceCell value={best.meanDice} />
            </tr>
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** The folds of a cross-validation side by side. */
function FoldTable({ detail: { info, classes, folds } }: { readonly detail: RunDetail }): VNode | null {
  if (folds.length === 0) return null;
  return (
    <section class="panel" aria-label="Folds">
      <h2>Folds</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Folds of the cross-validation">
        <table>
          <thead>
            <tr>
              {["fold", "state", "mean", "average", ...classes].map((name) => (
                <th key={name} scope="col">{name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {folds.map(({ run, fold, state, meanDice, emaDice, pseudoDice }) => (
              <tr key={run}>
                <th scope="row">
                  {run === info.id ? fold : <a href={`/run/${encodeURIComponent(run)}`}>{fold}</a>}
                </th>
                <td>
                  <StateBadge state={state} />
                </td>
                {[meanDice, emaDice, ...classes.map((_, i) => pseudoDice[i])].map((value, i) => (
                  <DiceCell key={i} value={value} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function DiceCell({ value }: { readonly value: number | null | undefined }): VNode {
  return (
    <td class="dice">
      <meter min={0} max={1} value={value ?? 0} aria-hidden="true" /> {formatNumber(value)}
    </td>
  );
}
