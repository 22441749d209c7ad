import { errorLines } from "./errors.ts";
import { Progress, type ProgressSink } from "./progress.ts";
import { visibleText } from "./visible_text.ts";

/** Where a command's output goes. Results go to stdout; everything about the way there goes to stderr. */
export class Output {
  #progress: Progress | null = null;
  readonly #sink: ProgressSink;

  constructor(readonly json: boolean, private readonly streams: OutputStreams = systemStreams()) {
    this.#sink = {
      write: (text) => streams.stderr(text),
      terminal: streams.terminal,
      width: streams.width,
      now: () => performance.now(),
    };
  }

  /** One line about what is happening, on stderr. */
  log(line: string): void {
    this.#progress?.clear();
    this.streams.stderr(`${visibleText(line)}\n`);
  }

  /** The same output for work that goes on beside other work: lines start with `name`, progress comes in lines. */
  beside(name: string): Output {
    const { stdout, stderr, width } = this.streams;
    const named = (text: string) => stderr(`${name}: ${text}`);
    return new Output(this.json, { stdout, stderr: named, width, terminal: false });
  }

  /** One line about something that deserves attention, on stderr. */
  warn(line: string): void {
    this.log(`warning: ${line}`);
  }

  /** One line for each line of an error, on stderr; with `--json` also an object on stdout. */
  fail(error: unknown): void {
    this.#progress?.end();
    this.#progress = null;
    const lines = errorLines(error);
    for (const line of lines) this.streams.stderr(`error: ${visibleText(line)}\n`);
    if (this.json) {
      const name = error instanceof Error ? error.name : "Error";
      this.streams.stdout(`${JSON.stringify({ ok: false, error: { name, message: lines.join("\n") } })}\n`);
    }
  }

  /** Starts a progress bar and ends the one before it. */
  progress(label: string, total: number): Progress {
    this.#progress?.end();
    return this.#progress = new Progress(label, total, this.#sink);
  }

  /** The command's result: the object with `--json`, the text otherwise. Call it once. */
  result(object: Readonly<Record<string, unknown>>, text: string): void {
    this.#progress?.end();
    this.#progress = null;
    this.streams.stdout(
      this.json ? `${JSON.stringify({ ok: true, ...object })}\n` : `${visibleText(text.trimEnd(), true)}\n`,
    );
  }

  /** One JSON object that is the result itself: indented, or on one line with `--json`. */
  document(object: Readonly<Record<string, unknown>>): void {
    this.streams.stdout(`${this.json ? JSON.stringify(object) : JSON.stringify(object, null, 2)}\n`);
  }
}

/** The streams behind an {@linkcode Output}, replaceable in tests. */
export interface OutputStreams {
  stdout(text: string): void;
  stderr(text: string): void;
  readonly terminal: boolean;
  readonly width: () => number;
}

/** The process's own streams. A dumb terminal counts as none, for the bar needs cursor control. */
export function systemStreams(): OutputStreams {
  const encoder = new TextEncoder();
  return {
    stdout: (text) => writeAll(Deno.stdout, encoder.encode(text)),
    stderr: (text) => writeAll(Deno.stderr, encoder.encode(text)),
    terminal: Deno.stderr.isTerminal() && Deno.env.get("TERM") !== "dumb",
    width: () => {
      try {
        return Deno.consoleSize().columns;
      } catch {
        return 80;
      }
    },
  };
}

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) written += stream.writeSync(bytes.subarray(written));
}
