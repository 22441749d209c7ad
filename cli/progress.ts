/** Where progress goes and how it looks there. */
export interface ProgressSink {
  write(text: string): void;
  readonly terminal: boolean;
  /** columns of the terminal */
  readonly width: () => number;
  /** milliseconds, monotonic */
  readonly now: () => number;
}

/** Progress of one piece of work: a bar that redraws itself on a terminal, a plain line now and then elsewhere. */
export class Progress {
  #done = 0;
  /** units that were done when this work began, for a run that goes on */
  #first: number | null = null;
  #total: number;
  #note = "";
  #lastMs = -Infinity;
  #lastShare = 0;
  #shown = false;
  readonly #startMs: number;

  /**
   * @param label what is being done, such as `train`
   * @param total units of work; 0 when unknown
   */
  constructor(readonly label: string, total: number, readonly sink: ProgressSink) {
    this.#total = total;
    this.#startMs = sink.now();
  }

  /** Says how much is done; `note` follows the bar. Redraws at most ten times a second. */
  update(done: number, note = this.#note, total = this.#total): void {
    this.#first ??= done <= 1 ? 0 : done;
    this.#done = done;
    this.#note = note;
    this.#total = total;
    const now = this.sink.now();
    if (this.sink.terminal) {
      if (now - this.#lastMs < 100 && done < total) return;
      this.sink.write(`\r\x1b[2K${fit(this.#bar(), this.sink.width())}`);
      this.#shown = true;
    } else {
      const share = total > 0 ? done / total : 0;
      const due = now - this.#lastMs >= 10_000 ||
        (share - this.#lastShare >= 0.1 && now - this.#lastMs >= 1000);
      if (!due && done !== total) return;
      if (done === total && this.#lastShare === 1) return;
      this.sink.write(`${this.#line()}\n`);
      this.#lastShare = share;
    }
    this.#lastMs = now;
  }

  /** Takes the bar away, so that a line can be printed; the next update draws it again. */
  clear(): void {
    if (this.#shown) this.sink.write("\r\x1b[2K");
    this.#shown = false;
    if (this.sink.terminal) this.#lastMs = -Infinity;
  }

  /** Ends the bar, leaving its last state on the terminal. */
  end(): void {
    if (this.#shown) this.sink.write("\n");
    this.#shown = false;
  }

  #bar(): string {
    const share = this.#total > 0 ? Math.min(1, this.#done / this.#total) : 0;
    const cells = 24, full = Math.round(share * cells);
    return `${this.label} [${"#".repeat(full)}${".".repeat(cells - full)}] ${this.#count()}`;
  }

  #line(): string {
    return `${this.label}: ${this.#count()}`;
  }

  #count(): string {
    const elapsed = (this.sink.now() - this.#startMs) / 1000;
    const parts = [this.#total > 0 ? `${this.#done}/${this.#total}` : `${this.#done}`];
    const worked = this.#done - (this.#first ?? 0);
    if (worked > 0 && this.#done < this.#total) {
      parts.push(`${duration(elapsed / worked * (this.#total - this.#done))} left`);
    } else if (worked > 0) parts.push(duration(elapsed));
    if (this.#note) parts.push(this.#note);
    return parts.join(", ");
  }
}

/** Seconds as `8 s`, `2 min 05 s`, `3 h 07 min`. */
export function duration(seconds: number): string {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  const pad = (value: number) => String(value).padStart(2, "0");
  if (s < 3600) return `${Math.floor(s / 60)} min ${pad(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${pad(Math.floor(s % 3600 / 60))} min`;
}

function fit(text: string, width: number): string {
  return text.length < width ? text : text.slice(0, Math.max(0, width - 1));
}
