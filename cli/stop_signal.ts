import { CliError } from "./errors.ts";

/** Exit code of a process that a signal stopped, as shells report it. */
export const stopCodes = { SIGINT: 130, SIGTERM: 143 } as const;

/** The job was asked to stop. */
export class StoppedError extends CliError {
  override readonly name = "StoppedError";
  constructor(readonly signal: keyof typeof stopCodes) {
    super(`Stopped by ${signal}`, stopCodes[signal]);
  }
}

/**
 * Turns SIGINT and SIGTERM into an AbortSignal. The first one asks the job to save and stop (`reason` is a
 * {@linkcode StoppedError}), the second one ends the process at once.
 *
 * @param onFirst called with the signal's name when the first one arrives
 */
export function stopSignal(onFirst: (signal: string) => void): AbortSignal & Disposable {
  const controller = new AbortController();
  const handlers = (["SIGINT", "SIGTERM"] as const).map((name) => {
    const handler = () => {
      if (controller.signal.aborted) Deno.exit(stopCodes[name]);
      onFirst(name);
      controller.abort(new StoppedError(name));
    };
    Deno.addSignalListener(name, handler);
    return { name, handler };
  });
  return Object.assign(controller.signal, {
    [Symbol.dispose]: () => {
      for (const { name, handler } of handlers) Deno.removeSignalListener(name, handler);
    },
  });
}
