/** A row of a card's table; rows whose value is null are left out. */
export type CardRow = readonly [label: string, value: string | number | null];

/** Text as Markdown shows it, whatever is in it: on one line, its marks escaped. */
export function plainText(text: string): string {
  // deno-lint-ignore no-control-regex -- they are what is replaced
  return text.replace(/[\u0000-\u001f\u007f]+/g, " ").replace(/[\\`*{}[\]<>|#~]/g, (mark) => `\\${mark}`);
}

/** A table of two columns; empty text when no row has a value. */
export function factTable(rows: readonly CardRow[]): string {
  const known = rows.filter((row): row is [string, string | number] => row[1] !== null && row[1] !== "");
  if (known.length === 0) return "";
  return [
    "| | |",
    "|---|---|",
    ...known.map(([label, value]) => `| ${label} | ${plainText(String(value))} |`),
  ]
    .join("\n");
}

/** Sections with their headings; those without text are left out. */
export function sections(parts: readonly (readonly [heading: string, ...text: string[]])[]): string {
  return parts.map(([heading, ...text]) => [heading, text.filter((part) => part !== "")] as const)
    .filter(([, text]) => text.length > 0)
    .map(([heading, text]) => `## ${heading}\n\n${text.join("\n\n")}\n`)
    .join("\n");
}

/** Three or more lengths as `160 x 160 x 160`. */
export function extents(values: readonly number[]): string {
  return values.join(" x ");
}

/** A number with few digits, null where there is none. */
export function digits(value: unknown, count = 4): string | null {
  return typeof value === "number" && Number.isFinite(value)
    ? String(Number(value.toPrecision(count)))
    : null;
}
