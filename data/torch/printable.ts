/** A name from a file that may be hostile, in quotes for a message: one line, bounded, nothing that a terminal acts upon. */
export function printable(name: string, limit = 100): string {
  const start = name.length > limit ? name.slice(0, limit) + "..." : name;
  return `"${start.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?")}"`;
}
