import assert from "node:assert/strict";

/** A program that runs while a test does. */
export interface RunningProcess extends AsyncDisposable {
  readonly pid: number;
  /** Everything it has printed. */
  output(): string;
  /** Waits until its output fits. @returns what fits @throws {AssertionError} when it ends before that */
  until(pattern: RegExp): Promise<string>;
  readonly status: Promise<Deno.CommandStatus>;
  kill(signal: Deno.Signal): void;
}

/** Starts Deno with some arguments; the process is killed with its variable. */
export function startProcess(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): RunningProcess {
  const child = new Deno.Command(Deno.execPath(), {
    ...options,
    args: [...args],
    env: { NO_COLOR: "1", ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "", told = Promise.withResolvers<void>(), ended = false;
  const news = () => {
    told.resolve();
    told = Promise.withResolvers();
  };
  const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      output += text;
      news();
    }
  };
  const all = Promise.all([read(child.stdout), read(child.stderr)]).then(() => {
    ended = true;
    news();
  });
  const kill = (signal: Deno.Signal) => {
    try {
      child.kill(signal);
    } catch {
      // it has ended
    }
  };
  return {
    pid: child.pid,
    output: () => output,
    status: child.status,
    kill,
    async until(pattern) {
      for (;;) {
        const found = output.match(pattern);
        if (found) return found[0];
        assert.ok(!ended, `ended without ${pattern}:\n${output}`);
        await told.promise;
      }
    },
    async [Symbol.asyncDispose]() {
      kill("SIGKILL");
      await child.status;
      await all;
    },
  };
}
