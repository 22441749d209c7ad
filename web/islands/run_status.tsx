/** @jsxImportSource npm:preact@11.2.0 */
import type { RunInfo } from "../api.ts";
import { useEffect, useState, type VNode } from "./deps.ts";
import { formatAgo, formatDuration, formatNumber, formatTime } from "./format.ts";
import { useLive } from "./live.ts";

/** State of a run as a coloured word with a sign of its own. */
export function StateBadge({ state }: Pick<RunInfo, "state">): VNode {
  return <span class={`state ${state}`}>{state}</span>;
}

/** How far a run is, as a bar; `steps` null where nobody knows. */
export function RunProgress({ step, steps }: Pick<RunInfo, "step" | "steps">): VNode {
  return (
    <progress
      value={step}
      max={Math.max(1, steps ?? step)}
      aria-label={`step ${step} of ${steps ?? "an unknown number"}`}
    />
  );
}

/** The present time in milliseconds since 1970, every second. */
export function useNow(start: number): number {
  const [now, setNow] = useState(start);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** The figures of a run that one wants first, kept up to date. @param now when the page was made, milliseconds since 1970 */
export function RunStatus({ now: start, ...props }: { readonly info: RunInfo; readonly now: number }): VNode {
  const [info, setInfo] = useState(props.info);
  const now = useNow(start);
  useLive([info.id], (message) => message.type === "info" && setInfo(message.info));
  const percent = info.steps ? Math.floor(100 * info.step / info.steps) : null;
  useEffect(() => {
    if (percent !== null) document.title = `${percent} % ${info.state} · ${info.id}`;
  }, [percent, info.state]);
  const figures: readonly (readonly [string, string, string?])[] = [
    ["step", formatNumber(info.step), info.steps === null ? "" : `of ${formatNumber(info.steps)}`],
    ["epoch", formatNumber(info.epoch), info.epochs === null ? "" : `of ${formatNumber(info.epochs)}`],
    ["training loss", formatNumber(info.loss)],
    ["validation loss", formatNumber(info.valLoss)],
    ...info.kind === "finetuning" ? [["mean pseudo Dice", formatNumber(info.meanDice)] as const] : [],
    ["speed", formatNumber(info.stepsPerSecond), info.stepsPerSecond === null ? "" : "steps/s"],
    ["time left", formatDuration(info.etaSeconds)],
    ["last seen", formatAgo(info.lastSeen, now)],
  ];
  return (
    <section class="status" aria-label="Status">
      <div class="row">
        <h1>{info.id}</h1>
        <StateBadge state={info.state} />
        <span class="muted">
          {info.kind === "pretraining" ? "pre-training" : "fine-tuning"} on{" "}
          {info.adapter ?? "an adapter not named yet"}, seed {info.seed ?? "–"}, started{" "}
          {formatTime(info.started)} UTC
        </span>
      </div>
      {info.message && <p class="notice">{info.message}</p>}
      <RunProgress step={info.step} steps={info.steps} />
      <dl class="figures">
        {figures.map(([name, value, rest]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              {value} <small>{rest}</small>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
