import { DataError, toDataError } from "../errors.ts";
import { parseDelimited } from "./deps.ts";

/** A value of a table: empty and "n/a" cells are null, numbers numbers. */
export type TableValue = string | number | null;

/** A table with named columns. */
export interface Table {
  readonly columns: readonly string[];
  /** Cells as written, one row a data line, as long as `columns`. */
  readonly rows: readonly (readonly string[])[];
}

/**
 * Reads a delimiter-separated table whose first row names the columns: tabs in a .tsv (quotes mean nothing there, as in BIDS), otherwise
 * commas, semicolons or tabs with quoted cells.
 *
 * @throws {DataError} when the file cannot be read, is empty, or has a row with more cells than columns
 */
export async function readTable(path: string): Promise<Table> {
  let text: string;
  try {
    text = (await Deno.readTextFile(path)).replace(/^\ufeff/, "");
  } catch (error) {
    throw toDataError(error, path);
  }
  const tabs = path.toLowerCase().endsWith(".tsv");
  const { data, errors } = parseDelimited(
    text,
    tabs
      ? { delimiter: "\t", quoteChar: "\0", skipEmptyLines: "greedy" }
      : { delimitersToGuess: [",", ";", "\t"], skipEmptyLines: "greedy" },
  );
  const broken = errors.find(({ type }) => type === "Quotes");
  if (broken) throw wrongTable(path, `row ${(broken.row ?? 0) + 1}: ${broken.message}`, "closed quotes");
  const [head, ...rows] = data;
  if (!head) throw wrongTable(path, "an empty table", "a first row that names the columns");
  const columns = head.map((column) => column.trim());
  const rowsOfEqualLength = rows.map((row, i) => {
    if (row.length > columns.length && row.slice(columns.length).some((cell) => cell.trim() !== "")) {
      throw wrongTable(path, `row ${i + 2} of ${row.length} cells`, `${columns.length}, one a column`);
    }
    return columns.map((_, column) => row[column] ?? "");
  });
  return { columns, rows: rowsOfEqualLength };
}

function wrongTable(file: string, found: string, wanted: string): DataError {
  return new DataError({ file, found, wanted, remedy: "correct the table" });
}

/** Meaning of a cell. */
export function tableValue(cell: string): TableValue {
  const trimmed = cell.trim();
  if (trimmed === "" || trimmed.toLowerCase() === "n/a") return null;
  return Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed;
}

/** Rows as objects by the text of the column `key`, without that column; null when there is no such column. */
export function rowsBy(table: Table, key: string): Map<string, Record<string, TableValue>> | null {
  const at = table.columns.indexOf(key);
  if (at < 0) return null;
  const others = table.columns.map((column, i) => [column, i] as const).filter(([, i]) => i !== at);
  return new Map(table.rows.map((row) => [
    row[at].trim(),
    Object.fromEntries(others.map(([column, i]) => [column, tableValue(row[i])])),
  ]));
}
