/** Lets work begin while its memory fits beside that of other work, strictly in order; one piece alone may always run. */
export class MemoryGate {
  #used = 0;
  #holders = 0;
  #resume: () => void = () => {};
  #last: Promise<unknown> = Promise.resolve();

  /** @param bytes that all work may take together */
  constructor(readonly bytes: number) {}

  /**
   * Waits until all work that asked before has begun, and until there is room.
   *
   * @param need finds out how much the work takes, bytes
   */
  enter(need: () => Promise<number>): Promise<MemoryShare> {
    const entered = this.#last.then(async () => {
      const bytes = await need();
      while (this.#holders > 0 && this.#used + bytes > this.bytes) {
        await new Promise<void>((resolve) => this.#resume = resolve);
      }
      return this.#share(bytes);
    });
    this.#last = entered.catch(() => {});
    return entered;
  }

  #share(bytes: number): MemoryShare {
    this.#holders++;
    this.#used += bytes;
    let held = bytes;
    const hold = (now: number) => {
      this.#used += now - held;
      held = now;
      this.#resume();
    };
    return {
      hold,
      [Symbol.dispose]: () => {
        this.#holders--;
        hold(0);
      },
    };
  }
}

/** What one piece of work holds. */
export interface MemoryShare extends Disposable {
  /** Says what it takes from now on, bytes. */
  hold(bytes: number): void;
}
