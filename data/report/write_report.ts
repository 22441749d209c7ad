import { makeFolder, writeFileAtomic } from "../atomic.ts";
import { toDataError } from "../errors.ts";
import { DatasetStore } from "../store.ts";
import { type CollectOptions, collectReport } from "./collect.ts";
import { contactSheet, sheetFigure } from "./contact_sheet.ts";
import { type Figure, figureFile, figurePanels } from "./figure.ts";
import { reportPage } from "./page.ts";
import { reportFigures } from "./report_figures.ts";
import type { ReportNumbers } from "./report_numbers.ts";

/** Name of the page in the report's folder. */
const PAGE_FILE = "report.html";

/** What to report on, and where to. */
export interface ReportOptions extends CollectOptions {
  /** Folder of the store. */
  readonly store: string;
  /** Folder of the report; `report` in the store when left out. */
  readonly out?: string;
  /** Most volumes on the contact sheet, none with 0; 24 when left out. */
  readonly sheet?: number;
  /** Seed of the choice of volumes on the contact sheet; 0 when left out. */
  readonly seed?: number;
  /** Shows ids and paths of images; they are left out otherwise. */
  readonly withIds?: boolean;
  /** Called after each volume of the contact sheet. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Stops between two volumes of the contact sheet with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A finished report. */
export interface WrittenReport {
  readonly folder: string;
  /** Path of the page. */
  readonly page: string;
  /** Paths of the figures. */
  readonly figures: readonly string[];
  readonly numbers: ReportNumbers;
  /** What could not be counted or shown. */
  readonly warnings: readonly string[];
}

/**
 * Describes a prepared data set: one HTML file that needs nothing else, and its figures as SVG files. The same store and options give the
 * same bytes. Figures of an earlier report in the folder that this one does not have are removed.
 *
 * @throws {DataError} when there is no store, one of its files is damaged, or the folder cannot be written
 */
export async function writeReport(options: ReportOptions): Promise<WrittenReport> {
  const { store: path, sheet = 24, seed = 0, withIds = false, onProgress, signal } = options;
  const folder = options.out ?? `${path}/report`;
  const { numbers, index, rejections, warnings } = await collectReport(path, options);
  const figures = reportFigures(numbers);
  using store = new DatasetStore(path, index);
  const slices = await contactSheet(store, { count: sheet, seed, onProgress, signal });

  const charts = [
    ...figures.cohort,
    ...figures.geometry,
    ...(figures.rejections ? [figures.rejections] : []),
  ];
  const drawn: Figure[] = [figurePanels(figures.cohort, 2), ...charts];
  if (slices.tiles.length > 0) drawn.push(sheetFigure(slices.tiles, withIds));
  const page = reportPage({
    numbers,
    figures,
    tiles: slices.tiles,
    rejections: withIds ? rejections : null,
    withIds,
  });
  await makeFolder(folder);
  for (const figure of drawn) await writeFileAtomic(`${folder}/${figure.name}.svg`, figureFile(figure));
  for (const name of ["rejections", "contact_sheet"]) {
    if (!drawn.some((figure) => figure.name === name)) await removeFile(`${folder}/${name}.svg`);
  }
  await writeFileAtomic(`${folder}/${PAGE_FILE}`, page);
  return {
    folder,
    page: `${folder}/${PAGE_FILE}`,
    figures: drawn.map(({ name }) => `${folder}/${name}.svg`),
    numbers,
    warnings: [...warnings, ...slices.warnings],
  };
}

async function removeFile(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw toDataError(error, path, "remove");
  }
}
