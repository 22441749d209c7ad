import { DataError } from "../errors.ts";
import { bidsSuffix } from "../image_names.ts";
import { bidsPlace, DEFAULT_SESSION } from "./bids_name.ts";
import type { CollectionBuilder } from "./collection_builder.ts";
import type { DiscoverOptions } from "./discover.ts";
import { imageEntry, plainSubject } from "./discover_folder.ts";
import { readTable, tableValue } from "./table.ts";

/** Columns with a meaning of their own; all others are facts about the image or the subject. */
const COLUMNS = [
  "path",
  "subject",
  "session",
  "dataset",
  "modality",
  "name",
  "anonymization_mask",
  "anatomy_mask",
] as const;
type Column = typeof COLUMNS[number];

/** Columns about a person; so is every column whose name starts with `subject_`. */
const SUBJECT_COLUMNS = new Set([
  "age",
  "sex",
  "gender",
  "handedness",
  "race",
  "ethnicity",
  "weight",
  "height",
  "bmi",
  "health_status",
  "diagnosis",
  "group",
  "species",
]);

/**
 * Adds the images of a list: a table with a column `path` and, if they are there, `subject`, `session`, `dataset`, `modality`, `name`,
 * `anonymization_mask` and `anatomy_mask`; the other columns become facts about the subject or the image.
 *
 * Relative paths count from the folder of the list. What a row does not say is taken from the path as in a BIDS tree when it has a `sub-*`
 * folder; otherwise the path without its ending is the subject.
 *
 * @param list path without links
 * @throws {DataError} when the table is broken or has no column `path`
 */
export async function discoverList(
  builder: CollectionBuilder,
  list: string,
  collection: string,
  options: DiscoverOptions,
): Promise<void> {
  const { columns, rows } = await readTable(list);
  const at = new Map(columns.map((column, i) => [column.toLowerCase(), i]));
  if (!at.has("path")) {
    throw new DataError({
      file: list,
      found: `the columns ${columns.slice(0, 12).join(", ")}`,
      wanted: "a column named path",
      remedy: `name the columns in the first row: ${COLUMNS.join(", ")}, and any others`,
    });
  }
  const folder = list.slice(0, list.lastIndexOf("/"));
  const absolute = (path: string) => (path.startsWith("/") ? path : `${folder}/${path}`);
  const facts = [...at].filter(([column]) => !COLUMNS.some((known) => known === column));
  const isAboutSubject = (column: string) => SUBJECT_COLUMNS.has(column) || column.startsWith("subject_");
  for (const [i, row] of rows.entries()) {
    const cell = (column: Column) => row[at.get(column) ?? -1]?.trim() ?? "";
    const written = cell("path").replace(/\/+$/, "");
    if (written === "") {
      options.onLeftOut?.(`${list}, row ${i + 2}`, "a row without a path");
      continue;
    }
    const parts = written.split("/").filter((part) => part !== "" && part !== "." && part !== "..");
    const bids = bidsPlace(parts.slice(0, -1));
    const file = parts.at(-1)!;
    const place = {
      dataset: cell("dataset") || (bids && parts[bids.depth - 1]) || collection,
      subject: cell("subject") || (bids?.subject ?? plainSubject(parts, collection)),
      session: cell("session") || (bids?.session ?? DEFAULT_SESSION),
    };
    const pick = (about: boolean) =>
      facts.filter(([column]) => isAboutSubject(column) === about)
        .map(([column, index]) => [columnName(columns[index], column), tableValue(row[index])] as const);
    const info = pick(false);
    const modality = cell("modality") ||
      (bids ? bidsSuffix(file) : options.modality?.(written) || "unknown");
    const image = imageEntry(
      absolute(written),
      cell("name") || file,
      modality,
      info.length ? Object.fromEntries(info) : null,
    );
    const masks = image.associated_masks!;
    if (cell("anonymization_mask")) masks.anonymization_mask = absolute(cell("anonymization_mask"));
    if (cell("anatomy_mask")) masks.anatomy_mask = absolute(cell("anatomy_mask"));
    builder.add(place, image);
    const subjectInfo = pick(true);
    if (subjectInfo.length > 0) builder.describeSubject(place, Object.fromEntries(subjectInfo));
  }
}

/** Facts about subjects are named alike whoever wrote the list. */
function columnName(written: string, lower: string): string {
  if (SUBJECT_COLUMNS.has(lower)) return lower;
  return lower.startsWith("subject_") ? lower.slice("subject_".length) : written;
}
