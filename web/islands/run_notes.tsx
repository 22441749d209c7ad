/** @jsxImportSource npm:preact@11.2.0 */
import type { ControlRequest, ControlResponse, Note, RunDetail } from "../api.ts";
import { useRef, useState, type VNode } from "./deps.ts";
import { formatTime } from "./format.ts";
import { useLive } from "./live.ts";
import { requestJson } from "./request_json.ts";

/** Props of {@linkcode RunNotes}. */
export interface RunNotesProps extends Pick<RunDetail, "notes" | "takesRequests"> {
  readonly run: string;
  /** Whether the dashboard may change anything. */
  readonly allowControl: boolean;
}

const ended = /^(stopped|failed|finished)$/;
const questions = {
  stop: {
    label: "Stop after this step",
    text: "The run saves a checkpoint and ends. It goes on from there with --resume.",
  },
  checkpoint: {
    label: "Save a checkpoint now",
    text: "The run saves its state after this step and goes on.",
  },
} as const;

/** Notes of a run, and where it is allowed: adding one, stopping the run, saving a checkpoint. */
export function RunNotes({ run, allowControl, ...initial }: RunNotesProps): VNode {
  const [notes, setNotes] = useState<readonly Note[]>(initial.notes),
    [takesRequests, setTakesRequests] = useState(initial.takesRequests);
  const [asked, setAsked] = useState<keyof typeof questions>("stop"), [answer, setAnswer] = useState("");
  const [text, setText] = useState("");
  const dialog = useRef<HTMLDialogElement>(null);
  useLive([run], (message) => {
    if (message.type === "notes") setNotes(message.notes);
    else if (message.type === "info" && ended.test(message.info.state)) setTakesRequests(false);
  });
  const send = async (request: Omit<ControlRequest, "run">) => {
    try {
      setAnswer((await requestJson<ControlResponse>("/api/control", { run, ...request })).message);
      return true;
    } catch (error) {
      setAnswer((error as Error).message);
      return false;
    }
  };
  const ask = (action: keyof typeof questions) => {
    setAsked(action);
    dialog.current?.showModal();
  };
  const addNote = async (event: Event) => {
    event.preventDefault();
    if (await send({ action: "note", text: text.trim() })) setText("");
  };
  return (
    <section class="panel" aria-label="Notes">
      <h2>Notes</h2>
      {notes.length === 0 ? <p class="empty">Nobody has left a note.</p> : (
        <ul class="journal notes">
          {notes.map(({ time, text }) => (
            <li key={`${time} ${text}`}>
              <small>{formatTime(time)}</small> {text}
            </li>
          ))}
        </ul>
      )}
      {allowControl && (
        <form class="row" onSubmit={addNote}>
          <input
            type="text"
            aria-label="New note"
            placeholder="What should be remembered?"
            required
            maxLength={2000}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
          <button type="submit" disabled={text.trim() === ""}>Add note</button>
        </form>
      )}
      {takesRequests && (
        <p class="row">
          {(["checkpoint", "stop"] as const).map((action) => (
            <button
              key={action}
              type="button"
              class={action === "stop" ? "danger" : ""}
              onClick={() => ask(action)}
            >
              {questions[action].label}
            </button>
          ))}
        </p>
      )}
      <p role="status">{answer}</p>
      {takesRequests && (
        <dialog ref={dialog} aria-label={questions[asked].label}>
          <form method="dialog" class="row">
            <p>{questions[asked].text}</p>
            <button type="submit">Cancel</button>
            <button
              type="submit"
              class={asked === "stop" ? "danger" : ""}
              onClick={() => send({ action: asked })}
            >
              {questions[asked].label}
            </button>
          </form>
        </dialog>
      )}
    </section>
  );
}
