import { fromFileUrl } from "./paths.ts";

/**
 * Runs another entry point of this checkout with the same Deno; its output goes where this one's goes. SIGINT reaches
 * it through the terminal, SIGTERM is passed on.
 *
 * @param module path below the repository's root, such as `tests/run.ts`
 * @returns its exit code
 */
export async function runModule(module: string, args: readonly string[]): Promise<number> {
  const root = new URL("../", import.meta.url);
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--allow-all",
      "--config",
      fromFileUrl(new URL("deno.json", root)),
      fromFileUrl(new URL(module, root)),
      ...args,
    ],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  const ignore = () => {};
  const pass = () => child.kill("SIGTERM");
  Deno.addSignalListener("SIGINT", ignore);
  Deno.addSignalListener("SIGTERM", pass);
  try {
    return (await child.status).code;
  } finally {
    Deno.removeSignalListener("SIGINT", ignore);
    Deno.removeSignalListener("SIGTERM", pass);
  }
}
