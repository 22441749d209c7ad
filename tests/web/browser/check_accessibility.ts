import assert from "node:assert/strict";
import { axe, type Page } from "../deps.ts";

/** Runs axe-core in a page and fails on serious and critical violations, naming rule and elements. */
export async function checkAccessibility(page: Page, where: string): Promise<void> {
  await page.evaluate(axe.source);
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof import("npm:axe-core@4.14.1") };
    const result = await axe.run(document, { resultTypes: ["violations"] });
    return result.violations.map(({ id, impact, help, nodes }) => ({
      id,
      impact,
      help,
      nodes: nodes.map((node) => `${node.html.slice(0, 200)}: ${node.failureSummary ?? ""}`),
    }));
  });
  const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  assert.deepEqual(grave, [], `${where}: no serious violation of accessibility rules`);
}
