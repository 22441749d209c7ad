import { setPriority } from "node:os";
import { type DashboardAddress, dashboardAddress, dashboardDefaults } from "./dashboard_address.ts";
import { type CommandUnknownOpts, Option } from "./deps.ts";
import type { Output } from "./output.ts";
import { dirname, fromFileUrl } from "./paths.ts";

/** Options of a run that can be watched. */
export interface WatchOptions {
  readonly dashboard?: DashboardAddress | true;
  readonly allowControl?: true;
}

/** Adds `--dashboard` and `--allow-control` to a command that trains. */
export function addWatchOptions(command: CommandUnknownOpts): void {
  const { host, port } = dashboardDefaults;
  command
    .addOption(
      new Option(
        "--dashboard [address]",
        `show the run and its neighbours in the browser (default: ${host}:${port})`,
      )
        .argParser((text: string) => dashboardAddress(text)),
    )
    .option("--allow-control", "let dashboards stop this run and save checkpoints");
}

/** Time that the dashboard gets to end by itself. */
const PATIENCE_MS = 2000;

/**
 * Starts a dashboard beside a run, in a process of its own with a low priority: whatever happens there, training goes on. It ends
 * with this process, even when that is killed.
 *
 * @param folder run folder; the folder around it is shown
 * @returns ends the dashboard; null when none was asked for
 */
export function startRunDashboard(
  { dashboard, allowControl }: WatchOptions,
  folder: string,
  output: Output,
): AsyncDisposable | null {
  if (dashboard === undefined) return null;
  const { host, port } = dashboard === true ? dashboardDefaults : dashboard;
  const main = new URL("./main.ts", import.meta.url);
  const configuration = main.protocol === "file:"
    ? ["--config", fromFileUrl(new URL("../deno.json", import.meta.url))]
    : ["--no-config", "--unstable-bundle"];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", ...configuration, main.href].concat(
      ["dashboard", dirname(folder), "--host", host, "--port", String(port), "--with-parent"],
      allowControl ? ["--allow-control"] : [],
    ),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let ending = false;
  const lines = Promise.all(
    [child.stdout, child.stderr].map((stream) => pass(stream, (line) => output.log(line))),
  );
  const ended = child.status.then(async ({ code }) => {
    await lines;
    if (!ending) output.warn(`the dashboard ended with code ${code}; training goes on`);
  });
  return {
    async [Symbol.asyncDispose]() {
      ending = true;
      await child.stdin.close().catch(() => {}); // it has ended already
      const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** A signal for a dashboard that belongs to a run: aborted when stdin ends, which it does with the parent, however that ends. */
export function endWithParent(): AbortSignal & Disposable {
  const controller = new AbortController();
  const ignore = () => {}; // Ctrl-C reaches the whole terminal: the run saves first, and may be watched until it has
  Deno.addSignalListener("SIGINT", ignore);
  try {
    setPriority(0, 10);
  } catch {
    // not allowed here: then with the priority of everybody
  }
  Deno.stdin.readable.pipeTo(new WritableStream()).catch(() => {}).finally(() => controller.abort());
  return Object.assign(controller.signal, {
    [Symbol.dispose]: () => Deno.removeSignalListener("SIGINT", ignore),
  });
}

/** Passes on the lines of a stream. */
async function pass(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  line: (text: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    parts.forEach(line);
  }
  if (rest !== "") line(rest);
}
