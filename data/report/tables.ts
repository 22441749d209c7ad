import type { Rejection } from "./collect.ts";
import type { FigureTable } from "./figure.ts";
import { cleanText, element, type Markup } from "./markup.ts";
import type { ReasonGroup } from "./reason_groups.ts";
import { count, counted } from "./text.ts";

/** Rows of a table that are seen at once; the others are folded. */
const OPEN_ROWS = 12;
/** Most rows of any table. */
const MAX_ROWS = 1000;
/** Columns that hold numbers are to the right of these. */
const TEXT_COLUMNS = new Set([
  "age in years",
  "edge",
  "mm",
  "voxels",
  "reason",
  "rule",
  "remark",
  "image",
  "file",
]);

/** The numbers behind a figure, folded. */
export function figureNumbers({ head, rows }: FigureTable): Markup | null {
  if (rows.length === 0) return null;
  return element("details", {}, [
    element("summary", {}, ["Numbers"]),
    ...table(head, rows.slice(0, MAX_ROWS)),
    cutNote(rows.length, "row"),
  ]);
}

/** Reasons with their counts, the frequent ones first. */
export function reasonTable(groups: readonly ReasonGroup[], heading: "reason" | "remark"): Markup[] {
  const withRule = groups.some(({ rule }) => rule !== null);
  const head = [...(withRule ? ["rule"] : []), heading, "images"];
  const rows = groups.slice(0, MAX_ROWS)
    .map((
      { rule, reason, count: times },
    ) => [...(withRule ? [rule ?? "not stated"] : []), reason, count(times)]);
  return folded(head, rows, groups.length, heading);
}

/** Every rejected image by name, folded. */
export function rejectionList(rejections: readonly Rejection[]): Markup | null {
  if (rejections.length === 0) return null;
  const rows = rejections.slice(0, MAX_ROWS)
    .map(({ id, file, rule, reason }) => [id, file, rule ?? "not stated", reason].map(cleanText));
  return element("details", {}, [
    element("summary", {}, [`${counted(rejections.length, "rejected image")} by name`]),
    ...table(["image", "file", "rule", "reason"], rows),
    cutNote(rejections.length, "image"),
  ]);
}

function folded(head: readonly string[], rows: readonly string[][], total: number, noun: string): Markup[] {
  if (rows.length === 0) return [];
  const rest = rows.slice(OPEN_ROWS);
  if (rest.length === 0) return table(head, rows);
  return [
    ...table(head, rows.slice(0, OPEN_ROWS)),
    element("details", {}, [
      element("summary", {}, [
        `${count(total - OPEN_ROWS)} more ${noun}${total - OPEN_ROWS === 1 ? "" : "s"}`,
      ]),
      ...table(head, rest),
      cutNote(total, noun),
    ]),
  ];
}

function cutNote(total: number, noun: string): Markup | null {
  if (total <= MAX_ROWS) return null;
  const text = `${counted(total - MAX_ROWS, noun)} left out here; report.jsonl of the store has them all.`;
  return element("p", { class: "muted" }, [text]);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): Markup[] {
  const isNumber = head.map((name, column) => column > 0 && !TEXT_COLUMNS.has(name));
  const cells = (tag: "th" | "td", values: readonly string[]) =>
    element(
      "tr",
      {},
      values.map((value, column) =>
        element(tag, { scope: tag === "th" ? "col" : null, class: isNumber[column] ? "number" : null }, [
          value,
        ])
      ),
    );
  return [element("div", { class: "scroll" }, [
    element("table", {}, [
      element("thead", {}, [cells("th", head)]),
      element("tbody", {}, rows.map((row) => cells("td", row))),
    ]),
  ])];
}
