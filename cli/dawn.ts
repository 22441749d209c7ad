/** What Dawn, the optional second WebGPU implementation, offers here. */
import { DAWN_MODULE } from "../kernels/deps.ts";
import { DeviceError } from "../kernels/errors.ts";
import { type AdapterFacts, readAdapterFacts } from "./adapter_facts.ts";
import { fromFileUrl } from "./paths.ts";

/** Dawn on this machine. */
export interface DawnFacts {
  readonly module: string;
  /** Whether it was fetched and its library loads. */
  readonly installed: boolean;
  readonly adapter: AdapterFacts | null;
  /** Why there is no adapter. */
  readonly problem: string | null;
}

/**
 * Asks Dawn for its adapter, in a process of its own: loading it here would add it to deno.lock (see kernels/deps.ts).
 *
 * @param options.fetch fetch it when it is not here yet, and let it say on stderr what it does
 */
export async function askDawn({ fetch = false } = {}): Promise<DawnFacts> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ..."run --quiet --allow-all --no-check --no-config --no-lock".split(" "),
      ...(fetch ? [] : ["--cached-only"]),
      import.meta.url.startsWith("file:") ? fromFileUrl(new URL(import.meta.url)) : import.meta.url,
    ],
    env: { DENO_NO_PACKAGE_JSON: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: fetch ? "inherit" : "null",
  }).output();
  if (success) return JSON.parse(new TextDecoder().decode(stdout));
  return { module: DAWN_MODULE, installed: false, adapter: null, problem: `${DAWN_MODULE} does not start` };
}

if (import.meta.main) {
  const answer = await readAdapterFacts("dawn");
  const failed = answer instanceof DeviceError;
  const facts: DawnFacts = {
    module: DAWN_MODULE,
    installed: !failed || answer.details.reason !== "no-dawn",
    adapter: failed ? null : answer,
    problem: failed ? answer.message : null,
  };
  console.log(JSON.stringify(facts));
  Deno.exit(0);
}
