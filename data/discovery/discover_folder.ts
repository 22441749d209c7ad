import { bidsSuffix, imageStem } from "../image_names.ts";
import type { PretrainImage } from "../pretrain_data.ts";
import { type BidsPlace, bidsPlace, DEFAULT_SESSION } from "./bids_name.ts";
import type { CollectionBuilder } from "./collection_builder.ts";
import type { DiscoverOptions } from "./discover.ts";
import { classifyMask, MaskMatcher, type MaskName } from "./masks.ts";
import { readInfo, Sidecars } from "./sidecars.ts";
import { type LeftOut, listTree, type TreeFolder } from "./tree.ts";

const DERIVATIVES = "derivatives";
/** Images between two turns of the event loop, so that signals are heard. */
const IMAGES_PER_TURN = 1024;

/** A mask that waits until all images are known. */
interface FoundMask {
  readonly group: string;
  readonly datatype: string;
  readonly path: string;
  readonly file: string;
  readonly mask: MaskName;
}

/**
 * Adds every image below a folder: files in `sub-*` folders by the BIDS rules, all others file by file, folders of DICOM files as one image.
 *
 * @param root path without links
 * @param collection data set of what lies in no study folder
 * @throws {DataError} when a folder cannot be listed
 */
export async function discoverFolder(
  builder: CollectionBuilder,
  root: string,
  collection: string,
  options: DiscoverOptions,
): Promise<void> {
  const leftOut: LeftOut = options.onLeftOut ?? (() => {});
  const folders = await listTree(root, leftOut);
  const sidecars = new Sidecars(folders);
  const matcher = new MaskMatcher();
  const masks: FoundMask[] = [];
  const studies = new Set<string>();
  let count = 0;
  for (const folder of folders) {
    const { parts } = folder;
    const derivatives = parts.indexOf(DERIVATIVES);
    const place = bidsPlace(parts.slice(derivatives + 1));
    const studyParts = derivatives >= 0 ? parts.slice(0, derivatives) : parts.slice(0, place?.depth);
    const dataset = place ? studyParts.join("_") || collection : collection;
    const group = place ? JSON.stringify([dataset, place.subject, place.session]) : folder.path;
    const datatype = place?.datatype ?? "";
    for (const file of folder.dicom ? [...folder.images, ""] : folder.images) {
      if (++count % IMAGES_PER_TURN === 0) await new Promise((resolve) => setTimeout(resolve));
      const path = file === "" ? folder.path : `${folder.path}/${file}`;
      const mask = classifyMask(file);
      if (mask) masks.push({ group, datatype, path, file, mask });
      else if (derivatives >= 0) leftOut(path, "a derivative, not an image as acquired");
      else {
        const name = file || parts.at(-1) || collection;
        const image = place
          ? bidsImage(path, name, sidecars, root, folder, place)
          : plainImage(path, name, sidecars, folder, options);
        const subject = place?.subject ?? plainSubject(file ? [...parts, file] : parts, collection);
        const session = place?.session ?? DEFAULT_SESSION;
        matcher.addImage(group, datatype, name, builder.add({ dataset, subject, session }, image));
        if (place) studies.add(studyParts.join("/"));
      }
    }
  }
  for (const { group, datatype, path, file, mask } of masks) {
    const reason = matcher.assign(group, datatype, path, file, mask);
    if (reason) leftOut(path, reason);
  }
  await describe(builder, folders, studies, collection, leftOut);
}

/** Subject of an image outside BIDS: its path, one file being one subject. */
export function plainSubject(parts: readonly string[], collection: string): string {
  return imageStem(parts.join("_")) || collection;
}

function bidsImage(
  path: string,
  name: string,
  sidecars: Sidecars,
  root: string,
  folder: TreeFolder,
  place: BidsPlace,
): PretrainImage {
  const chain = folder.parts.slice(place.depth).map((_, i) =>
    [root, ...folder.parts.slice(0, place.depth + i + 1)].join("/")
  );
  const study = [root, ...folder.parts.slice(0, place.depth)].join("/");
  const info = sidecars.ofBidsImage([study, ...chain], name);
  return imageEntry(path, name, bidsSuffix(name), info);
}

function plainImage(
  path: string,
  name: string,
  sidecars: Sidecars,
  folder: TreeFolder,
  { modality }: DiscoverOptions,
): PretrainImage {
  const relative = path === folder.path ? folder.parts.join("/") : [...folder.parts, name].join("/");
  const info = sidecars.besideImage(folder.path, imageStem(name));
  return imageEntry(path, name, modality?.(relative) || "unknown", info);
}

/** An image without masks. */
export function imageEntry(
  path: string,
  name: string,
  modality: string,
  info: Record<string, unknown> | null,
): PretrainImage {
  return {
    name,
    image_path: path,
    modality,
    image_info: info,
    associated_masks: { anonymization_mask: null, anatomy_mask: null },
  };
}

/** Adds dataset_description.json, participants.tsv and sub-XX_sessions.tsv of the studies that have images. */
async function describe(
  builder: CollectionBuilder,
  folders: readonly TreeFolder[],
  studies: ReadonlySet<string>,
  collection: string,
  leftOut: LeftOut,
): Promise<void> {
  const rowsOf = async (path: string, key: string) => {
    const { readTable, rowsBy } = await import("./table.ts");
    const table = await readTable(path).catch((error: Error) => leftOut(path, error.message));
    return (table && rowsBy(table, key)) ?? new Map<string, Record<string, unknown>>();
  };
  for (const { path, parts, texts } of folders) {
    const subject = parts.at(-1) ?? "";
    const study = bidsPlace(parts) ? parts.slice(0, -1) : parts;
    if (!studies.has(study.join("/"))) continue;
    const dataset = study.join("_") || collection;
    if (study === parts) {
      if (texts.includes("dataset_description.json")) {
        const title = readInfo(`${path}/dataset_description.json`)?.Name;
        if (typeof title === "string" && title.trim() !== "") builder.nameDataset(dataset, title.trim());
      }
      if (texts.includes("participants.tsv")) {
        for (const [id, row] of await rowsOf(`${path}/participants.tsv`, "participant_id")) {
          builder.describeSubject({ dataset, subject: id.startsWith("sub-") ? id : `sub-${id}` }, row);
        }
      }
    } else if (texts.includes(`${subject}_sessions.tsv`)) {
      for (const [id, row] of await rowsOf(`${path}/${subject}_sessions.tsv`, "session_id")) {
        const session = id.startsWith("ses-") ? id : `ses-${id}`;
        builder.describeSession({ dataset, subject, session }, row);
      }
    }
  }
}
