import { DataError, type DataErrorFields } from "../errors.ts";

/** Problems shown in one message at most. */
const MOST_SHOWN = 20;

/** A labelled data set that cannot be used: one line a problem, `Cannot use FILE: found ..., wanted ...: do ...`. */
export class DatasetError extends Error {
  override readonly name = "DatasetError";

  /** @param problems at least one line */
  constructor(readonly problems: readonly string[], options?: ErrorOptions) {
    const more = problems.length - MOST_SHOWN;
    super(
      [
        ...problems.slice(0, MOST_SHOWN),
        ...(more > 0 ? [`... and ${more} more problems of that data set`] : []),
      ]
        .join("\n"),
      options,
    );
  }
}

/** One problem in the form of a `DataError`. */
export function problemLine(fields: DataErrorFields): string {
  return new DataError({ action: "use", ...fields }).message;
}
