/**
 * Runs a benchmark as a program: what `main` returns is the status, and errors are one line.
 *
 * @param WrongCall class of the errors that arguments cause: status 2; any other error has status 1
 */
export async function runMain(
  main: (args: string[]) => Promise<number>,
  WrongCall?: abstract new (...args: never[]) => Error,
): Promise<never> {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(WrongCall && error instanceof WrongCall ? 2 : 1);
  }
}
