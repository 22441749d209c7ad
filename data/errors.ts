/** What a `DataError` knows; plain values, so it survives a worker's postMessage. */
export interface DataErrorFields {
  /** File or folder concerned. */
  readonly file: string;
  /** What was there, with values. */
  readonly found: string;
  /** What would have been right. */
  readonly wanted: string;
  /** What the user can do. */
  readonly remedy: string;
  /** Verb of the message; "read" when left out. */
  readonly action?: string;
}

/** A file or data set that cannot be used. One line: `Cannot read FILE: found ..., wanted ...: do ...`. */
export class DataError extends Error {
  override readonly name = "DataError";
  readonly file: string;
  readonly found: string;
  readonly wanted: string;
  readonly remedy: string;
  readonly action: string;

  constructor(fields: DataErrorFields, options?: ErrorOptions) {
    const action = fields.action ?? "read";
    super(
      `Cannot ${action} ${fields.file}: found ${fields.found}, wanted ${fields.wanted}: ${fields.remedy}`,
      options,
    );
    this.file = fields.file;
    this.found = fields.found;
    this.wanted = fields.wanted;
    this.remedy = fields.remedy;
    this.action = action;
  }

  /** Plain values from which `new DataError(...)` makes the same error on the other side of a worker boundary. */
  fields(): DataErrorFields {
    const { file, found, wanted, remedy, action } = this;
    return { file, found, wanted, remedy, action };
  }
}

/**
 * Turns an operating-system error into a `DataError`; a `DataError` passes through unchanged.
 *
 * @param file path concerned
 * @param action verb of the message: "read", "write", "list"
 */
export function toDataError(error: unknown, file: string, action = "read"): DataError {
  if (error instanceof DataError) return error;
  const { found, wanted, remedy } = describe(error, action);
  return new DataError({ file, action, found, wanted, remedy }, { cause: error });
}

function describe(error: unknown, action: string): { found: string; wanted: string; remedy: string } {
  const text = (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ");
  const code = (error as { code?: string } | null)?.code;
  const denied = error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable;
  if (error instanceof Deno.errors.NotFound) {
    return { found: "no such file or folder", wanted: "an existing path", remedy: "check the path" };
  }
  if (denied || code === "EACCES" || code === "EPERM") {
    return {
      found: "no permission",
      wanted: `the right to ${action}`,
      remedy: "change its permissions or choose another path",
    };
  }
  if (code === "ENOSPC" || code === "EDQUOT" || /no space left|quota exceeded/i.test(text)) {
    return {
      found: "no space left on the disk",
      wanted: "room for the output",
      remedy: "free some space or choose another path",
    };
  }
  if (error instanceof Deno.errors.NotADirectory || code === "ENOTDIR") {
    return { found: "a file where a folder is needed", wanted: "a folder", remedy: "choose another path" };
  }
  if (code === "EROFS" || /read-only file system/i.test(text)) {
    return { found: "a read-only file system", wanted: "a writable place", remedy: "choose another path" };
  }
  return {
    found: text || "an unknown failure",
    wanted: `to ${action} it`,
    remedy: "check the path and the disk",
  };
}
