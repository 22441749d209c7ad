import type { Locator, Page } from "../deps.ts";

/** The chart whose title begins so. */
export const chart = (page: Page, title: string): Locator =>
  page.locator("figure").filter({ has: page.getByRole("heading", { name: title }) }).first();

/** The step that the legend of a chart reads, its newest unless somebody moved the cursor; -1 where there is none. */
export async function legendStep(chart: Locator): Promise<number> {
  const text = await chart.locator(".legend li b").first().innerText();
  return /^[\d,]+$/.test(text) ? Number(text.replaceAll(",", "")) : -1;
}
