import { fromFileUrl } from "./paths.ts";

/**
 * Runs another entry point of this checkout with the same Deno; its output goes where this one's goes. SIGINT reaches
 * it through the terminal, SIGTERM is passed on.
 *
 * @param module path below the repository's root, such as `tests/run.ts`
 * @param options.capture keep what it writes to stdout instead of passing it on
 * @returns its exit code, and its stdout when captured
 */
export async function runModule(
  module: string,
  args: readonly string[],
  options: { readonly capture?: boolean } = {},
): Promise<{ readonly code: number; readonly stdout: string }> {
  const capture = options.capture ?? false;
  const root = new URL("../", import.meta.url);
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--allow-all",
      ...(args.some((argument) => /^(--adapter=)?dawn$/.test(argument)) ? ["--no-lock"] : []), // see the start script
      "--config",
      fromFileUrl(new URL("deno.json", root)),
      fromFileUrl(new URL(module, root)),
      ...args,
    ],
    stdin: "null",
    stdout: capture ? "piped" : "inherit",
    stderr: "inherit",
  }).spawn();
  const ignore = () => {};
  const pass = () => child.kill("SIGTERM");
  Deno.addSignalListener("SIGINT", ignore);
  Deno.addSignalListener("SIGTERM", pass);
  try {
    const stdout = capture ? await new Response(child.stdout).text() : "";
    return { code: (await child.status).code, stdout };
  } finally {
    Deno.removeSignalListener("SIGINT", ignore);
    Deno.removeSignalListener("SIGTERM", pass);
  }
}
