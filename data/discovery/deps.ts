/** Third-party modules of data/discovery/, pinned. Imported only where a table is read. */
import papaparse from "npm:papaparse@5.7.1";

/** What is used of papaparse, which ships no types. */
interface TableParser {
  parse(
    text: string,
    options: {
      delimiter?: string;
      delimitersToGuess?: string[];
      quoteChar?: string;
      skipEmptyLines: "greedy";
    },
  ): { data: string[][]; errors: { type: string; message: string; row?: number }[] };
}

/** Splits delimiter-separated text into rows of cells (RFC 4180). */
export const { parse: parseDelimited }: TableParser = papaparse;
