import type { Output } from "./output.ts";

/** What a command gets from the program that runs it. */
export interface CommandContext {
  readonly output: Output;
  /** exit code of a command that gave its result and yet did not succeed */
  exitCode: number;
}
