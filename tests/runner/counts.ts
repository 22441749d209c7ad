/** Outcome of some checks. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Nothing was run. */
export const noCounts: Counts = { passed: 0, failed: 0, skipped: 0 };

/** Sum of outcomes. */
export function addCounts(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

/** `12 passed, 0 failed`, and `, 3 skipped` when there are some. */
export function formatCounts({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/**
 * Reads `N passed, N failed[, N skipped]` from the last line of a program's output.
 *
 * @returns null when the last line says something else
 */
export function parseCounts(output: string): Counts | null {
  const last = output.trimEnd().split("\n").at(-1) ?? "";
  const match = last.match(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/);
  return match && { passed: Number(match[1]), failed: Number(match[2]), skipped: Number(match[3] ?? 0) };
}

/**
 * Counts the test cases (tests and their steps) of a JUnit report as Deno writes it.
 *
 * @throws {Error} when the text is no JUnit report
 */
export function countJunit(xml: string): Counts {
  if (!xml.includes("<testsuites")) {
    throw new Error("Cannot count tests: expected a <testsuites> element, found none");
  }
  let passed = 0, failed = 0, skipped = 0;
  for (const [, attributes, body] of xml.matchAll(/<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)) {
    if (attributes === undefined) continue;
    if (/<(failure|error)\b/.test(body ?? "")) failed++;
    else if (/<skipped\b/.test(body ?? "")) skipped++;
    else passed++;
  }
  return { passed, failed, skipped };
}
