import { makeFolder, writeFileAtomic, writeJsonAtomic } from "../../data/atomic.ts";
import { figureFile } from "../../data/report/figure.ts";
import { methodFigures } from "./method_figures.ts";
import { type MethodNumbers, methodNumbers, type MethodReportOptions } from "./method_numbers.ts";
import { methodPage } from "./method_page.ts";

/** A finished report. */
export interface WrittenMethodReport {
  /** Path of the page. */
  readonly page: string;
  /** Paths of the figures. */
  readonly figures: readonly string[];
  readonly numbers: MethodNumbers;
}

/**
 * Compares methods in one HTML file that needs nothing else (`report.html`), the figures as SVG files and the numbers as `report.json`: bars
 * of mean scores, paired differences to a baseline, rank distributions, box plots. The same options give the same bytes.
 *
 * @throws {RangeError} as `methodNumbers`
 * @throws {DataError} when the folder cannot be written
 */
export async function writeMethodReport(
  folder: string,
  options: MethodReportOptions,
): Promise<WrittenMethodReport> {
  const { title, notes = [], datasets } = options;
  const numbers = methodNumbers(options);
  const figures = methodFigures(numbers, datasets);
  const page = `${folder}/report.html`;
  await makeFolder(folder);
  const files: string[] = [];
  for (const figure of [...figures.scores, ...figures.ranks, ...figures.cases]) {
    const file = `${folder}/${figure.name}.svg`;
    await writeFileAtomic(file, figureFile(figure));
    files.push(file);
  }
  await writeJsonAtomic(`${folder}/report.json`, numbers);
  await writeFileAtomic(page, methodPage({ title, notes, numbers, figures, datasets }));
  return { page, figures: files, numbers };
}
