/** @jsxImportSource npm:preact@11.2.0 */
import type { RunInfo, RunsResponse } from "../api.ts";
import { useState, type VNode } from "./deps.ts";
import { formatAgo, formatDuration, formatNumber } from "./format.ts";
import { useLive } from "./live.ts";
import { RunProgress, StateBadge, useNow } from "./run_status.tsx";

interface TableColumn {
  readonly name: string;
  readonly numeric?: boolean;
  readonly value: (run: RunInfo) => string | number | null;
  readonly show: (run: RunInfo, now: number) => VNode | string;
}

const seconds = (run: RunInfo) => run.state === "running" ? formatDuration(run.etaSeconds) : "–";
const columns: readonly TableColumn[] = [
  {
    name: "run",
    value: (run) => run.id,
    show: (run) => <a href={`/run/${encodeURIComponent(run.id)}`}>{breakable(run.id)}</a>,
  },
  {
    name: "kind",
    value: (run) => run.kind,
    show: (run) => run.kind === "pretraining" ? "pre-training" : "fine-tuning",
  },
  { name: "state", value: (run) => run.state, show: (run) => <StateBadge state={run.state} /> },
  {
    name: "step",
    value: (run) => run.step / (run.steps ?? Infinity),
    show: (run) => (
      <>
        <RunProgress step={run.step} steps={run.steps} />
        <small class="number">{formatNumber(run.step)} / {formatNumber(run.steps)}</small>
      </>
    ),
  },
  { name: "loss", numeric: true, value: (run) => run.loss, show: (run) => formatNumber(run.loss) },
  {
    name: "validation loss",
    numeric: true,
    value: (run) => run.valLoss,
    show: (run) => formatNumber(run.valLoss),
  },
  { name: "Dice", numeric: true, value: (run) => run.meanDice, show: (run) => formatNumber(run.meanDice) },
  {
    name: "steps/s",
    numeric: true,
    value: (run) => run.stepsPerSecond,
    show: (run) => formatNumber(run.stepsPerSecond),
  },
  { name: "time left", numeric: true, value: (run) => run.etaSeconds, show: seconds },
  { name: "adapter", value: (run) => run.adapter, show: (run) => run.adapter ?? "–" },
  {
    name: "last seen",
    numeric: true,
    value: (run) => run.lastSeen,
    show: (run, now) => formatAgo(run.lastSeen, now),
  },
];
/** A path that may go on in the next line after a slash. */
const breakable = (path: string) =>
  path.split("/").map((part, i) =>
    i === 0 ? part : (
      <>
        /<wbr />
        {part}
      </>
    )
  );

/** Runs above which the list can be filtered. */
const MANY = 6;

/** All runs, as they do; sorted by a click on a heading, chosen for comparison by their boxes. */
export function RunTable(
  { now: start, ...initial }: Pick<RunsResponse, "runs"> & { readonly now: number },
): VNode {
  const [runs, setRuns] = useState(initial.runs), [filter, setFilter] = useState("");
  const [order, setOrder] = useState<{ readonly name: string; readonly sign: number } | null>(null);
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const now = useNow(start);
  useLive([], (message) => {
    if (message.type === "runs") setRuns(message.runs);
    else if (message.type === "info") {
      setRuns((known) => known.map((run) => run.id === message.run ? message.info : run));
    }
  });
  const words = filter.toLowerCase().split(/\s+/);
  const shown = runs.filter((run) => {
    const text = `${run.id} ${run.kind} ${run.state} ${run.adapter}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const by = columns.find(({ name }) => name === order?.name);
  if (by && order) {
    shown.sort((a, b) => {
      const [x, y] = [by.value(a), by.value(b)];
      if (x === null || y === null) return Number(x === null) - Number(y === null);
      return order.sign * (x < y ? -1 : x > y ? 1 : 0);
    });
  }
  const toggle = (id: string) =>
    setChosen(chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id]);
  if (runs.length === 0) {
    return (
      <p class="empty">
        No run here yet. Start one with{" "}
        <code>spark3d pretrain</code>; it appears by itself when its folder lies below this dashboard's.
      </p>
    );
  }
  return (
    <form action="/compare">
      <div class="toolbar">
        {chosen.filter((id) => !shown.some((run) => run.id === id)).map((id) => (
          <input key={id} type="hidden" name="run" value={id} />
        ))}
        {runs.length > MANY && (
          <input
            type="search"
            aria-label="Filter"
            placeholder="filter"
            value={filter}
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
        )}
        <small>{shown.length} of {formatNumber(runs.length)} runs</small>
        <button type="submit" disabled={chosen.length < 2}>Compare {chosen.length || ""}</button>
      </div>
      <table class="runs">
        <thead>
          <tr>
            <td />
            {columns.map(({ name, numeric }) => (
              <th
                key={name}
                scope="col"
                class={numeric ? "number" : undefined}
                aria-sort={order?.name !== name ? "none" : order.sign > 0 ? "ascending" : "descending"}
              >
                <button
                  type="button"
                  onClick={() => setOrder({ name, sign: order?.name === name ? -order.sign : 1 })}
                >
                  {name}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((run) => (
            <tr key={run.id}>
              <td>
                <input
                  type="checkbox"
                  name="run"
                  value={run.id}
                  aria-label={`compare ${run.id}`}
                  checked={chosen.includes(run.id)}
                  onChange={() => toggle(run.id)}
                />
              </td>
              {columns.map(({ name, numeric, show }) => (
                <td key={name} data-label={name} class={numeric ? "number" : undefined}>{show(run, now)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </form>
  );
}
