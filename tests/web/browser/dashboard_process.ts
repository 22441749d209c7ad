import assert from "node:assert/strict";
import { repositoryRoot } from "../../support/spawn.ts";

/** A `spark3d` process with a dashboard. */
export interface DashboardProcess extends AsyncDisposable {
  /** The address that it printed, with its token when it needs one. */
  readonly url: string;
  /** Scheme, host and port. */
  readonly origin: string;
  /** Everything it has printed. */
  output(): string;
  /** Its exit code, when it ends. */
  readonly ended: Promise<number>;
  /** Asks it to end and waits; `SIGINT` lets a training save first. */
  stop(): Promise<number>;
}

/**
 * Runs `spark3d ARGS` until it prints the address of its dashboard.
 * @throws {AssertionError} when it ends before that, or prints none in a minute
 */
export async function startDashboard(args: readonly string[]): Promise<DashboardProcess> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", "--no-check", "--config", `${repositoryRoot}/deno.json`]
      .concat(`${repositoryRoot}/cli/main.ts`, args),
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "";
  const found = Promise.withResolvers<string>();
  const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      output += text;
      const url = output.match(/http:\/\/[^\s]+(?=\s)/);
      if (url) found.resolve(url[0]);
    }
  };
  const streams = Promise.all([read(child.stdout), read(child.stderr)]);
  const ended = child.status.then(async ({ code }) => {
    await streams;
    found.reject(new assert.AssertionError({ message: `spark3d ended with code ${code}:\n${output}` }));
    return code;
  });
  const limit = setTimeout(
    () => found.reject(new assert.AssertionError({ message: `no address after a minute:\n${output}` })),
    60_000,
  );
  const stop = () => {
    try {
      child.kill("SIGINT");
    } catch {
      // it has ended
    }
    return ended;
  };
  try {
    const url = await found.promise;
    return {
      url,
      origin: new URL(url).origin,
      output: () => output,
      ended,
      stop,
      [Symbol.asyncDispose]: async () => void await stop(),
    };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(limit);
  }
}
