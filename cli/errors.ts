/** An error of the command line: what was attempted, found and wanted, and what to do, in one line. */
export class CliError extends Error {
  override readonly name: string = "CliError";
  constructor(message: string, readonly exitCode = 1, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Options that contradict each other or miss something; exit code 2. */
export class UsageError extends CliError {
  override readonly name = "UsageError";
  constructor(message: string) {
    super(message, 2);
  }
}

/** The lines that a user reads about an error: its own message, or a stack when nobody expected it. */
export function errorLines(error: unknown): string[] {
  if (!(error instanceof Error)) return [String(error)];
  if (isUnexpected(error)) return (error.stack ?? error.message).split("\n");
  return error.message.split("\n").filter((line) => line.trim() !== "");
}

/** JavaScript's own errors are faults of this program; tagged classes and those of the operating system are for the user. */
function isUnexpected(error: Error): boolean {
  return [TypeError, RangeError, ReferenceError, SyntaxError, EvalError].some((type) =>
    error.constructor === type
  ) ||
    error.constructor === Error;
}

/**
 * Turns an error of the operating system into one that says what was attempted on which path and what to do.
 *
 * @param action what was attempted, such as `write the run folder`
 */
export function fileError(action: string, path: string, error: unknown): CliError {
  const code = (error as { code?: string } | null)?.code ?? "";
  const remedy: Record<string, string> = {
    ENOENT: "it does not exist: check the path",
    EACCES: "permission denied: choose a folder you may use, or change its permissions",
    EPERM: "permission denied: choose a folder you may use, or change its permissions",
    EROFS: "the file system is read-only: choose another folder",
    ENOSPC: "the disk is full: free some space or choose another folder",
    EDQUOT: "the disk quota is used up: free some space or choose another folder",
    ENOTDIR: "a part of the path is a file: choose another folder",
    EEXIST: "a file of that name is in the way: choose another folder",
    EISDIR: "it is a folder: name a file",
  };
  const reason = remedy[code] ?? (error instanceof Error ? error.message : String(error));
  return new CliError(`Cannot ${action} ${path}: ${reason}`, 1, { cause: error });
}
