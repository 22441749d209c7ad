import { DataError } from "../errors.ts";
import { type ImageHeader, readImageHeader } from "../formats/mod.ts";
import {
  filterByFacts,
  filterByFile,
  type Filters,
  findDuplicates,
  imageFacts,
  QualityScores,
  type Rejection,
} from "../filters/mod.ts";
import { imageStem } from "../image_names.ts";
import { orientationOf } from "../orientation.ts";
import type { ImageMasks } from "../preprocess_array.ts";
import { type PretrainData, pretrainEntries, type PretrainEntry } from "../pretrain_data.ts";
import { preparedPaths } from "../store_paths.ts";
import type { Dims3 } from "../volume.ts";
import { mapConcurrent } from "./map_concurrent.ts";

/** Files looked at at a time: hides the delay of network drives. */
const CONCURRENT_FILES = 16;

/** One image of a collection as its header and sidecar describe it. Plain values; sizes along z, y, x as the file stores them. */
export interface SurveyedImage {
  readonly id: string;
  readonly subject: string;
  readonly modality: string;
  readonly file: string;
  /** Position among the images of pretrain_data.json. */
  readonly entry: number;
  /** Volume of a 4-D file. */
  readonly volume?: number;
  /** File name of the image; that of the file, with the volume's number for one of several. */
  readonly name: string;
  /** Path of its array below the store. */
  readonly path: string;
  readonly masks?: ImageMasks<string>;
  /** Why it is left out, before its voxels were read. */
  readonly rejection?: Rejection;
  readonly warnings: readonly string[];
  readonly sourceShape?: Dims3;
  readonly sourceSpacing?: Dims3;
}

/** What one image's header adds to `SurveyedImage` and no output needs. */
export interface HeaderFacts {
  readonly fileBytes: number;
  readonly contentBytes: number;
  /** Spacing in mm along z, y, x after reorientation. */
  readonly spacing: Dims3;
  /** Voxels along z, y, x after reorientation. */
  readonly shape: Dims3;
}

/** All images of a collection, in order, and the headers of those that are kept. */
export interface Survey {
  readonly images: readonly SurveyedImage[];
  readonly headers: ReadonlyMap<string, HeaderFacts>;
}

/** How to look at a collection. */
export interface SurveyOptions {
  readonly filters: Filters;
  readonly orientation: string | null;
  readonly maxBytes?: number;
  readonly onSurvey?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Reads the header of every image and applies the filters; no voxel is read. Rules about sidecars come before the file is opened.
 *
 * @throws {DataError} when two images of equal size cannot be compared
 * @throws the signal's reason
 */
export async function surveyImages(data: PretrainData, options: SurveyOptions): Promise<Survey> {
  const entries = pretrainEntries(data), scores = new QualityScores(data);
  let done = 0;
  const found = await mapConcurrent(entries, CONCURRENT_FILES, async (entry, index) => {
    options.signal?.throwIfAborted();
    const seen = await surveyFile(entry, scores, options);
    done++;
    if (done % 100 === 0 || done === entries.length) options.onSurvey?.(done, entries.length);
    return volumesOf(entry, index, seen, options.filters.fourD ?? "refuse");
  });
  const all = found.flat();
  await rejectDuplicates(all, options);
  const paths = preparedPaths(all.map(({ entry }) => entry));
  const headers = new Map<string, HeaderFacts>();
  const images = all.map(({ entry, image, header, rejection }): SurveyedImage => {
    const id = entry.imageId;
    if (header && !rejection) headers.set(id, headerFacts(header, options.orientation));
    return { ...image, id, path: paths.get(id)!, ...(rejection ? { rejection } : {}) };
  });
  return { images, headers };
}

/** What the sidecar and the header of one file say. */
interface SeenFile {
  readonly header: ImageHeader | null;
  readonly rejection: Rejection | null;
  readonly warnings: readonly string[];
}

async function surveyFile(
  entry: PretrainEntry,
  scores: QualityScores,
  { filters, maxBytes }: SurveyOptions,
): Promise<SeenFile> {
  const facts = imageFacts(entry.image);
  const { rejection, warnings } = filterByFacts(facts, scores.of(entry.dataset, facts), filters);
  if (rejection) return { header: null, rejection, warnings };
  try {
    const header = await readImageHeader(entry.image.image_path, { maxBytes });
    const all = [...warnings, ...header.warnings];
    return { header, rejection: filterByFile(header, filters), warnings: all };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return { header: null, rejection: { rule: "unreadable", reason: error.message }, warnings };
  }
}

/** An image on its way: `rejection` may still be set. */
interface FoundImage {
  readonly entry: PretrainEntry;
  readonly image: Omit<SurveyedImage, "id" | "path" | "rejection">;
  readonly header: ImageHeader | null;
  rejection: Rejection | null;
}

/** The images of one file: one, or one for each volume of a 4-D file that is split. */
function volumesOf(
  entry: PretrainEntry,
  index: number,
  { header, rejection, warnings }: SeenFile,
  fourD: NonNullable<Filters["fourD"]>,
): FoundImage[] {
  const found = (volume: number | undefined, name: string, more: readonly string[] = []): FoundImage => ({
    entry: volume === undefined || name === entry.image.name ? entry : volumeEntry(entry, name),
    image: {
      subject: entry.subjectId,
      modality: entry.image.modality,
      file: entry.image.image_path,
      entry: index,
      name,
      warnings: [...warnings, ...more],
      ...(volume === undefined ? {} : { volume }),
      ...masksOf(entry),
      ...(header ? { sourceShape: header.shape, sourceSpacing: header.spacing } : {}),
    },
    header,
    rejection,
  });
  const { name } = entry.image, volumes = header?.volumes ?? 1;
  if (volumes === 1 || rejection) return [found(undefined, name)];
  if (fourD === "first") return [found(0, name, [`the first of ${volumes} volumes`])];
  if (fourD === "split") {
    return Array.from({ length: volumes }, (_, volume) => found(volume, volumeName(name, volume)));
  }
  const whole = found(undefined, name), [d, h, w] = header!.shape;
  const error = new DataError({
    file: entry.image.image_path,
    found: `shape ${w}x${h}x${d}x${volumes}`,
    wanted: "a 3-D image (trailing sizes of 1 are fine)",
    remedy: "take its first volume or split it (--4d first, --4d split)",
  });
  whole.rejection = { rule: "four-dimensional", reason: error.message };
  return [whole];
}

/** `sub-01_bold.nii.gz`, 3 -> `sub-01_bold_vol-0003.nii.gz`. */
function volumeName(name: string, volume: number): string {
  const stem = imageStem(name);
  return `${stem}_vol-${String(volume).padStart(4, "0")}${name.slice(stem.length)}`;
}

function volumeEntry(entry: PretrainEntry, name: string): PretrainEntry {
  const imageId = `${entry.subjectId}__${entry.session}__${name}`;
  return { ...entry, image: { ...entry.image, name }, imageId };
}

function masksOf({ image }: PretrainEntry): { masks?: ImageMasks<string> } {
  const anonymization = image.associated_masks?.anonymization_mask;
  const anatomy = image.associated_masks?.anatomy_mask;
  if (!anonymization && !anatomy) return {};
  return { masks: { ...(anonymization ? { anonymization } : {}), ...(anatomy ? { anatomy } : {}) } };
}

/** Files among the kept images whose bytes were seen before, when the filters ask for that. */
async function rejectDuplicates(images: readonly FoundImage[], { filters }: SurveyOptions): Promise<void> {
  if (!filters.dropDuplicates) return;
  const kept = images.filter(({ rejection }) => !rejection);
  const files = kept.map(({ image, header }) => ({ path: image.file, fileBytes: header!.fileBytes }));
  const sameFile = (a: number, b: number) => kept[a].image.entry === kept[b].image.entry;
  for (const [copy, original] of await findDuplicates(files, sameFile)) {
    kept[copy].rejection = { rule: "duplicate", reason: `the same bytes as ${kept[original].image.file}` };
  }
}

function headerFacts(
  { shape, spacing, affine, fileBytes, contentBytes, volumes }: ImageHeader,
  orientation: string | null,
): HeaderFacts {
  const sizes = { fileBytes, contentBytes: Math.ceil(contentBytes / volumes) };
  if (orientation === null) return { ...sizes, shape, spacing };
  const { axes } = orientationOf(affine);
  return {
    ...sizes,
    shape: reordered(shape, axes, orientation),
    spacing: reordered(spacing, axes, orientation),
  };
}

/**
 * Values along z, y, x of a grid whose index axes point as the letters of `code`.
 *
 * @param values along z, y, x of the file
 * @param axes world axis (0: x, 1: y, 2: z) of each index axis x, y, z of the file
 */
function reordered(values: Dims3, axes: readonly number[], code: string): Dims3 {
  const world = [0, 0, 0];
  axes.forEach((axis, index) => world[axis] = values[2 - index]);
  const order = [...code.toUpperCase()].map((letter) =>
    ["LR", "PA", "IS"].findIndex((pair) => pair.includes(letter))
  );
  return [world[order[2]], world[order[1]], world[order[0]]];
}
