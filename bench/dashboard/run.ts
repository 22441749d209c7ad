/**
 * Steps of a real training run with viewers of its dashboard and without, by turns in one run.
 *
 *   deno run -A bench/dashboard/run.ts --help
 *
 * One JSON object. Exit code 1 when the median step with viewers is more than 1.03 times as long as without, or viewers saw nothing new, 2 for wrong options. The
 * dashboard is the process that `spark3d pretrain --dashboard` starts; viewers are a process of the same low priority.
 */
import { pretrain } from "../../train/pretrain.ts";
import { resolveRunConfig } from "../../train/resolve_config.ts";
import { fromFileUrl } from "../paths.ts";
import { machineFacts, median } from "../record.ts";

const USAGE = `Usage: deno run -A bench/dashboard/run.ts [options]

  --store=FOLDER  a prepared store to train on (default: two generated heads)
  --viewers=N     pages that watch (default: 50)
  --pairs=N       times without and with viewers (default: 8)
  --seconds=N     length of each time (default: 5), from 1 s after all pages have opened or closed`;

/** Longest step with viewers, as a multiple of one without. */
const WANTED_RATIO = 1.03;
/** Time after viewers come or go that is not measured. */
const SETTLE_MS = 1000;

interface Options {
  readonly store: string | null;
  readonly viewers: number;
  readonly pairs: number;
  readonly seconds: number;
}

/** @throws {RangeError} naming the option that cannot be used */
function parseOptions(args: readonly string[]): Options {
  const options = { viewers: 50, pairs: 8, seconds: 5 };
  let store: string | null = null;
  for (const arg of args) {
    if (/^--store=./.test(arg)) {
      store = arg.slice("--store=".length);
      continue;
    }
    const [, key, value] = /^--(viewers|pairs|seconds)=(\d+)$/.exec(arg) ?? [];
    if (key === undefined || Number(value) < 1) {
      throw new RangeError(`Cannot use ${arg}: unknown option or value\n\n${USAGE}`);
    }
    options[key as keyof typeof options] = Number(value);
  }
  return { ...options, store };
}

const path = (name: string) => fromFileUrl(new URL(name, import.meta.url));

function command(script: string, args: readonly string[], options: Deno.CommandOptions): Deno.Command {
  const fixed = ["run", "--quiet", "-A", "--config", path("../../deno.json"), path(script)];
  return new Deno.Command(Deno.execPath(), { args: [...fixed, ...args], ...options });
}

/** @throws {Error} when the command fails */
async function spark3d(...args: readonly string[]): Promise<void> {
  const { success, stderr } = await command("../../cli/main.ts", args, { stdout: "null", stderr: "piped" })
    .output();
  if (!success) throw new Error(`spark3d ${args[0]} failed: ${new TextDecoder().decode(stderr)}`);
}

/** A script of this repository with its input and output piped. */
function start(script: string, ...args: readonly string[]) {
  const child = command(script, args, { stdin: "piped", stdout: "piped" }).spawn();
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader(),
    input = child.stdin.getWriter();
  return {
    /** The next piece of output that matches. */
    async read(pattern: RegExp): Promise<string> {
      for (let text = "";;) {
        const { value, done } = await output.read();
        text += value ?? "";
        const found = pattern.exec(text)?.[1];
        if (found !== undefined) return found;
        if (done) throw new Error(`${script} ended with: ${text}`);
      }
    },
    write: (text: string) => input.write(new TextEncoder().encode(text)),
    async [Symbol.asyncDispose]() {
      await input.close().catch(() => {}); // it has ended already
      await output.cancel();
      await child.status;
    },
  };
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** @returns whether the goal is reached */
async function measure(options: Options, folder: string): Promise<boolean> {
  const { viewers, pairs, seconds } = options, store = options.store ?? `${folder}/store`;
  if (options.store === null) {
    await spark3d("phantom", "--out", `${folder}/heads`, "--subjects", "2");
    await spark3d("prepare", `${folder}/heads`, "--out", store);
  }
  await Deno.mkdir(`${folder}/runs`);
  const config = resolveRunConfig({
    flags: { epochs: 100, stepsPerEpoch: 1000, validation: { patches: 2 }, metricsEvery: 2 },
  });
  const steps: { readonly at: number; readonly stepMs: number }[] = [];
  const stop = new AbortController(), first = Promise.withResolvers<void>();
  let adapter = "";
  const run = pretrain({
    config,
    store,
    out: `${folder}/runs/watched`,
    signal: stop.signal,
    onEvent: (event) => {
      if (event.type === "started") adapter = event.adapter;
      if (event.type !== "metrics") return;
      const stepMs = event.rows.find(({ name }) => name === "stepMs")?.value;
      if (stepMs !== undefined) steps.push({ at: performance.now(), stepMs });
      if (steps.length > 5) first.resolve();
    },
  });
  run.catch(first.reject);
  await first.promise;
  const times: { readonly open: boolean; readonly from: number; readonly to: number }[] = [];
  let messages = Infinity;
  {
    await using dashboard = start(
      "../../cli/main.ts",
      "dashboard",
      `${folder}/runs`,
      "--port",
      "0",
      "--with-parent",
      "--json",
    );
    const origin = await dashboard.read(/"url":\s*"(http:[^"]+?)\/?"/);
    await using people = start("./viewers.ts", origin, "watched", String(viewers));
    for (let i = 0; i < 2 * pairs; i++) {
      const open = i % 2 === 1;
      if (open) {
        await people.write("open\n");
        await people.read(/"opened":(\d+)/);
      }
      await wait(SETTLE_MS);
      const from = performance.now();
      await wait(1000 * seconds);
      times.push({ open, from, to: performance.now() });
      if (!open) continue;
      await people.write("close\n");
      messages = Math.min(messages, Number(await people.read(/"messages":(\d+)/)));
    }
  }
  stop.abort();
  await run;
  const within = (open: boolean) =>
    steps.filter(({ at, stepMs }) =>
      times.some((time) =>
        time.open === open && at - config.metricsEvery * stepMs >= time.from && at <= time.to
      )
    ).map(({ stepMs }) => stepMs);
  const [without, watched] = [within(false), within(true)];
  const ratio = median(watched) / median(without);
  console.log(JSON.stringify({
    benchmark: "dashboard",
    viewers,
    messagesPerViewer: messages,
    stepMsWithout: median(without),
    stepMsWith: median(watched),
    ratio,
    readBacks: [without.length, watched.length],
    ...await machineFacts(adapter),
  }));
  return ratio <= WANTED_RATIO && messages > 0;
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  const options = parseOptions(args);
  const folder = await Deno.makeTempDir({ prefix: "spark3d-dashboard-" });
  try {
    return await measure(options, folder) ? 0 : 1;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  try {
    Deno.exitCode = await main(Deno.args);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    console.error(error.message);
    Deno.exitCode = 2;
  }
}
