/** Lines of a stream of text; the last one need not end. */
export async function* readLines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest) yield rest;
}

/** A process that answers one line for each line that it is sent. */
export class Side {
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #lines: AsyncGenerator<string>;

  /**
   * Starts a program that greets with one line, held to one processor where `taskset` exists.
   *
   * @param cpu number of the processor; null leaves the choice to the system
   */
  constructor(readonly program: string, args: readonly string[], cpu: number | null) {
    const [command, ...rest] = [
      ...(cpu === null ? [] : ["taskset", "-c", String(cpu)]),
      program,
      ...args,
    ];
    this.#process = new Deno.Command(command, {
      args: rest,
      env: { OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1", MKL_NUM_THREADS: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#writer = this.#process.stdin.getWriter();
    this.#lines = readLines(this.#process.stdout);
  }

  /** The next line of the process, parsed. @throws {Error} when it has ended */
  async answer<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) {
      const { code } = await this.#process.status;
      throw new Error(
        `Cannot go on: ${this.program} ended with code ${code}, wanted an answer: read its messages above`,
      );
    }
    return JSON.parse(value) as T;
  }

  /** Sends a question and waits for the answer. */
  async ask<T>(question: unknown): Promise<T> {
    await this.#writer.write(new TextEncoder().encode(`${JSON.stringify(question)}\n`));
    return await this.answer<T>();
  }

  /** Closes its input and waits until it has ended. */
  async close(): Promise<void> {
    await this.#writer.close().catch(() => {});
    await this.#process.status;
  }
}
