import type { Rejection } from "./collect.ts";
import { type SheetTile, tileCaption } from "./contact_sheet.ts";
import { type Figure, inlineFigure } from "./figure.ts";
import { type Child, element, type Markup } from "./markup.ts";
import { pageHead } from "./page_head.ts";
import type { ReportFigures } from "./report_figures.ts";
import type { ReportNumbers, SplitSide } from "./report_numbers.ts";
import { figureNumbers, reasonTable, rejectionList } from "./tables.ts";
import { byteSize, count, counted } from "./text.ts";

/** What the page shows. */
export interface PageContent {
  readonly numbers: ReportNumbers;
  readonly figures: ReportFigures;
  readonly tiles: readonly SheetTile[];
  /** Rejected images by name; null leaves them out. */
  readonly rejections: readonly Rejection[] | null;
  readonly withIds: boolean;
}

/** Nothing is fetched and no script runs, whatever the names in the data say. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/** The report as one HTML file, which is well-formed XML too. */
export function reportPage({ numbers, figures, tiles, rejections, withIds }: PageContent): string {
  const title = `Data report: ${numbers.collection}`;
  const head = pageHead(title, POLICY);
  const main = element("main", {}, [
    element("header", {}, [
      element("h1", {}, [numbers.collection]),
      element("p", { class: "muted" }, [preparation(numbers)]),
    ]),
    summaryNumbers(numbers),
    section("Cohort", [figureGrid(figures.cohort, "columns")]),
    section("Geometry", [
      element("p", { class: "muted" }, [
        "The three edges of a voxel or an image are sorted by length, because files store their axes in any order.",
      ]),
      figureGrid(figures.geometry, "pairs"),
    ]),
    rejectionSection(numbers, figures.rejections, rejections),
    numbers.remarks.length > 0
      ? section("Remarks on prepared volumes", reasonTable(numbers.remarks, "remark"))
      : null,
    tiles.length > 0 ? sheetSection(tiles, numbers.totals.volumes, withIds) : null,
    element("footer", {}, ["Made by spark3d report from the files of the store."]),
  ]);
  return `<!DOCTYPE html>\n${element("html", { lang: "en" }, [head, element("body", {}, [main])]).text}\n`;
}

function preparation({ configuration, dtype, compression, orientation }: ReportNumbers): string {
  const spacing = configuration === "onemmiso" ? "1 mm isotropic" : `configuration ${configuration}`;
  const axes = orientation === null ? "axes as stored in the files" : `axes ${orientation}`;
  const packing = compression === "none" ? "uncompressed" : `compressed with ${compression}`;
  return `Prepared for pre-training: ${spacing}, ${axes}, ${dtype}, ${packing}`;
}

function summaryNumbers({ totals, split, centres }: ReportNumbers): Markup {
  const side = (purpose: string, { subjects, volumes }: SplitSide) =>
    [`for ${purpose}, of ${counted(subjects, "subject")}`, count(volumes)] as const;
  const facts: (readonly [string, string] | null)[] = [
    ["volumes", count(totals.volumes)],
    ["subjects", count(totals.subjects)],
    ["sessions", totals.sessions === null ? "not stated" : count(totals.sessions)],
    [
      centres.basis === "institution" ? "centres (institutions)" : "centres (data sets)",
      count(totals.centres),
    ],
    ["images rejected", count(totals.rejected)],
    ["stored", byteSize(totals.bytes)],
    side("training", split.train),
    side("validation", split.val),
    totals.anonymizationMasks > 0 ? ["anonymisation masks", count(totals.anonymizationMasks)] : null,
    totals.anatomyMasks > 0 ? ["anatomy masks", count(totals.anatomyMasks)] : null,
  ];
  return element(
    "dl",
    { class: "numbers" },
    facts.filter((fact) => fact !== null)
      .map(([name, value]) => element("div", {}, [element("dt", {}, [name]), element("dd", {}, [value])])),
  );
}

function section(title: string, children: readonly Child[]): Markup {
  return element("section", {}, [element("h2", {}, [title]), ...children]);
}

function figureGrid(figures: readonly Figure[], arrangement: "columns" | "pairs"): Markup {
  return element("div", { class: arrangement }, figures.map(pageFigure));
}

function pageFigure(figure: Figure): Markup {
  return element("figure", {}, [
    element("figcaption", {}, [element("h3", {}, [figure.title])]),
    inlineFigure(figure),
    figureNumbers(figure.table),
  ]);
}

function rejectionSection(
  { totals, rejections: { reasons } }: ReportNumbers,
  chart: Figure | null,
  rejections: readonly Rejection[] | null,
): Markup {
  const all = totals.volumes + totals.rejected;
  const sentence = totals.rejected === 0
    ? `None of ${counted(all, "image")} was rejected.`
    : `${count(totals.rejected)} of ${counted(all, "image")} ${
      totals.rejected === 1 ? "was" : "were"
    } rejected.`;
  return section("Rejections", [
    element("p", {}, [sentence]),
    chart ? figureGrid([chart], "columns") : null,
    ...reasonTable(reasons, "reason"),
    rejections ? rejectionList(rejections) : null,
  ]);
}

function sheetSection(tiles: readonly SheetTile[], volumes: number, withIds: boolean): Markup {
  const which = tiles.length === volumes
    ? (volumes === 1 ? "The only volume" : `All ${counted(volumes, "volume")}`)
    : `${count(tiles.length)} of ${counted(volumes, "volume")}, drawn by chance`;
  const text =
    `${which}: axial, coronal and sagittal. Up is superior or anterior, to the right is the subject's right or ` +
    "anterior; below each, size along z, y, x and spacing.";
  const figures = tiles.map((tile) => {
    const caption = tileCaption(tile, withIds);
    const { source, width, height } = tile;
    const picture = source
      ? element("img", { src: source, width, height, alt: `Middle slices: ${caption}`, loading: "lazy" })
      : element("div", { class: "unreadable" }, ["cannot be read"]);
    return element("figure", {}, [picture, element("figcaption", {}, [caption])]);
  });
  return section("Middle slices", [
    element("p", { class: "muted" }, [text]),
    element("div", { class: "sheet" }, figures),
  ]);
}
