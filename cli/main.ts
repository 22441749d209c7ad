import { runProgram } from "./program.ts";

if (import.meta.main) {
  // Deno complains on stderr at every adapter request when this is not a folder.
  if (!Deno.env.get("XDG_RUNTIME_DIR")) Deno.env.set("XDG_RUNTIME_DIR", Deno.env.get("TMPDIR") ?? "/tmp");
  try {
    Deno.exit(await runProgram(Deno.args));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(1); // the reader of the output has gone, as in `| head`
    throw error;
  }
}

export { runProgram };
