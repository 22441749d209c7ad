/** @jsxImportSource npm:preact@11.2.0 */
import type { RunDetail, StoredEvent } from "../api.ts";
import { useState, type VNode } from "./deps.ts";
import { formatBytes, formatDuration, formatNumber, formatTime, formatValue } from "./format.ts";
import { useLive } from "./live.ts";

/** Events kept on the page. */
const LIMIT = 500;

/** What an event says, in one line. */
export function describeEvent({ type, event }: Pick<StoredEvent, "type" | "event">): string {
  const text = (key: string) => String(event[key] ?? "–"),
    number = (key: string) => formatNumber(Number(event[key] ?? NaN));
  const file = text("path").split("/").slice(-2).join("/");
  switch (type) {
    case "started":
      return event.resumedFrom
        ? `goes on from step ${number("step")} on ${text("adapter")}`
        : `started on ${text("adapter")}`;
    case "plan": {
      const plan = event.plan as Record<string, number>;
      return `${text("phase")}: ${formatNumber(plan.dispatches)} dispatches, ${
        formatValue(plan.flop, "FLOP")
      }, ` +
        `peak ${formatBytes(plan.peakBytes)} for the whole plan`;
    }
    case "validation":
      return `validation loss ${number("valLoss")} (constant ${number("valLossConstant")}, nearest voxel ${
        number("valLossNearest")
      })`;
    case "segmentation":
      return `mean pseudo Dice ${number("meanDice")}, moving average ${number("emaDice")}, validation loss ${
        number("valLoss")
      }`;
    case "stage":
      return `stage ${text("name")}: ${number("trained")} of ${number("parameters")} tensors move`;
    case "checkpoint":
      return `${text("kind")} saved as ${file}`;
    case "stopped":
      return `stopped: ${text("reason")}`;
    case "finished":
      return `finished after ${formatDuration(Number(event.seconds))}`;
    case "warning":
    case "failed":
      return text("message");
    default:
      return event.path ? file : type;
  }
}

/** What happened in a run, newest first, kept up to date; warnings and failures above. */
export function RunEvents(props: Pick<RunDetail, "events" | "warnings"> & { readonly run: string }): VNode {
  const [{ events, warnings }, setLog] = useState<Pick<RunDetail, "events" | "warnings">>(props);
  const [kind, setKind] = useState("");
  useLive([props.run], (message) => {
    if (message.type !== "events") return;
    setLog(({ events, warnings }) => {
      const last = events.at(-1)?.id ?? 0, fresh = message.events.filter(({ id }) => id > last);
      const bad = fresh.filter(({ type }) => type === "warning" || type === "failed").map((
        { time, event },
      ) => (
        { time, step: Number(event.step), message: String(event.message) }
      ));
      return { events: [...events, ...fresh].slice(-LIMIT), warnings: [...warnings, ...bad].slice(-LIMIT) };
    });
  });
  const kinds = [...new Set(events.map(({ type }) => type))].sort();
  const shown = events.filter(({ type }) => kind === "" || type === kind).toReversed();
  return (
    <>
      <section class="panel" aria-label="Warnings">
        <h2>Warnings</h2>
        {warnings.length === 0
          ? <p class="empty">None: losses were finite, and nothing failed.</p>
          : (
            <ul class="journal warnings">
              {warnings.map(({ time, step, message }) => (
                <li key={`${time} ${message}`}>
                  <b>step {formatNumber(step)}</b> {message}
                </li>
              ))}
            </ul>
          )}
      </section>
      <section class="panel" aria-label="Events">
        <h2>Events</h2>
        <label>
          show{" "}
          <select value={kind} onChange={(event) => setKind(event.currentTarget.value)}>
            <option value="">all kinds</option>
            {kinds.map((name) => <option key={name} value={name}>{name}</option>)}
          </select>
        </label>
        <ul class="journal scroll tall" tabIndex={0} aria-label="List of events">
          {shown.map((item) => (
            <li key={item.id}>
              <small>
                {formatTime(item.time)} · {item.type} at step {formatNumber(Number(item.event.step ?? NaN))}
              </small>
              <br />
              {describeEvent(item)}
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}
