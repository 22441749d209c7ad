import { bidsSuffix, imageStem, isImageName } from "./image_names.ts";
import { DataError, toDataError } from "./errors.ts";
import type { PretrainData, PretrainImage } from "./pretrain_data.ts";

/** How to label what is found. */
export interface DiscoverOptions {
  /** Name of the collection and first part of every id; the folder's name when left out. */
  readonly name?: string;
  /** Index of the collection; the name when left out. */
  readonly index?: string | number;
  /** Modality of an image of a plain folder, from its path relative to the folder; "unknown" when left out. */
  readonly modality?: (relativePath: string) => string;
}

type ParticipantRows = Map<string, Record<string, unknown>>;
/** Rows of participants.tsv by data set, then by participant. */
type ParticipantTables = Map<string, ParticipantRows>;

/** BIDS suffixes of voxel labels and masks: never training images. */
const LABEL_SUFFIXES = new Set(["dseg", "mask", "probseg", "roi", "defacemask"]);
const MAX_DEPTH = 16;

interface FoundFile {
  readonly path: string;
  /** Folder names below the root, then the file name. */
  readonly parts: readonly string[];
}

/**
 * Lists the training images of a BIDS tree (one study, or a folder of studies) or of any folder of NIfTI files.
 *
 * BIDS: modality is the suffix, subject_info the row of participants.tsv, image_info the JSON beside the image. Otherwise one file is one
 * subject with one session. Folders named `derivatives`, `sourcedata` or `code`, hidden entries, label maps and masks are left out.
 *
 * @param folder path of the tree; links are followed
 * @throws {DataError} when the folder is missing, not a folder, or holds no image
 */
export async function discover(folder: string, options: DiscoverOptions = {}): Promise<PretrainData> {
  const root = await absoluteFolder(folder);
  const name = options.name ?? root.split("/").at(-1)!;
  const files = await listImages(root);
  const inBids = files.filter(({ parts }) =>
    subjectDepth(parts) >= 0 && !LABEL_SUFFIXES.has(bidsSuffix(parts.at(-1)!))
  );
  const data: PretrainData = { collection_index: options.index ?? name, collection_name: name, datasets: {} };
  if (inBids.length > 0) {
    const tables: ParticipantTables = new Map();
    for (const file of inBids) await addBidsImage(data, tables, root, file);
  } else {
    for (const file of files) addPlainImage(data, file, name, options.modality);
  }
  if (files.length === 0 || Object.keys(data.datasets).length === 0) {
    throw new DataError({
      file: folder,
      found: "no .nii or .nii.gz image",
      wanted: "a BIDS tree (sub-*/anat/*.nii.gz) or a folder of NIfTI images",
      remedy: "check the path; derivatives, masks and label maps do not count",
    });
  }
  return data;
}

async function absoluteFolder(folder: string): Promise<string> {
  try {
    const root = await Deno.realPath(folder);
    if (!(await Deno.stat(root)).isDirectory) throw new Deno.errors.NotADirectory(folder);
    return root;
  } catch (error) {
    throw toDataError(error, folder);
  }
}

async function listImages(root: string): Promise<FoundFile[]> {
  const found: FoundFile[] = [];
  const visit = async (
    folder: string,
    parts: readonly string[],
    ancestors: ReadonlySet<string>,
  ): Promise<void> => {
    const real = await Deno.realPath(folder);
    if (ancestors.has(real) || parts.length > MAX_DEPTH) return; // a link to a folder above
    const below = new Set([...ancestors, real]);
    const entries = (await Array.fromAsync(Deno.readDir(folder))).sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      if (entry.name.startsWith(".")) continue;
      const path = `${folder}/${entry.name}`;
      const info = entry.isSymlink ? await Deno.stat(path).catch(() => null) : entry;
      const skipped = ["derivatives", "sourcedata", "code"].includes(entry.name);
      if (info?.isDirectory && !skipped && !entry.name.endsWith(".zarr")) {
        await visit(path, [...parts, entry.name], below);
      } else if (!info?.isDirectory && isImageName(entry.name)) {
        found.push({ path, parts: [...parts, entry.name] });
      }
    }
  };
  try {
    await visit(root, [], new Set());
  } catch (error) {
    throw toDataError(error, root, "list");
  }
  return found;
}

/** Position of the `sub-*` folder in a path below the root (0: one study, 1: a folder of studies), or -1. */
function subjectDepth(parts: readonly string[]): number {
  const depth = parts.slice(0, -1).findIndex((part) => /^sub-./.test(part));
  return depth <= 1 ? depth : -1;
}

async function addBidsImage(
  data: PretrainData,
  tables: ParticipantTables,
  root: string,
  file: FoundFile,
): Promise<void> {
  const depth = subjectDepth(file.parts);
  const studyFolder = [root, ...file.parts.slice(0, depth)].join("/");
  const dataset = depth === 0 ? data.collection_name : file.parts[0];
  const subject = file.parts[depth];
  const next = file.parts[depth + 1];
  const session = next.startsWith("ses-") ? next : "ses-DEFAULT";
  if (!tables.has(dataset)) tables.set(dataset, await readParticipants(`${studyFolder}/participants.tsv`));
  const name = file.parts.at(-1)!;
  addImage(data, { dataset, subject, session }, tables.get(dataset)!.get(subject) ?? null, {
    name,
    image_path: file.path,
    modality: bidsSuffix(name),
    image_info: await readSidecar(file.path.slice(0, -name.length) + imageStem(name) + ".json"),
    associated_masks: { anonymization_mask: null, anatomy_mask: null },
  });
}

function addPlainImage(
  data: PretrainData,
  file: FoundFile,
  collection: string,
  modality?: DiscoverOptions["modality"],
): void {
  const relative = file.parts.join("/");
  addImage(
    data,
    { dataset: collection, subject: imageStem(relative).replaceAll("/", "_"), session: "ses-DEFAULT" },
    null,
    {
      name: file.parts.at(-1)!,
      image_path: file.path,
      modality: modality?.(relative) ?? "unknown",
      image_info: null,
      associated_masks: { anonymization_mask: null, anatomy_mask: null },
    },
  );
}

function addImage(
  data: PretrainData,
  place: { dataset: string; subject: string; session: string },
  subjectInfo: Record<string, unknown> | null,
  image: PretrainImage,
): void {
  const dataset = data.datasets[place.dataset] ??= {
    dataset_index: place.dataset,
    name: place.dataset,
    dataset_info: null,
    subjects: {},
  };
  const subject = dataset.subjects[place.subject] ??= {
    subject_id: place.subject,
    subject_info: subjectInfo,
    sessions: {},
  };
  const session = subject.sessions[place.session] ??= {
    session_id: place.session,
    session_info: null,
    images: [],
  };
  const names = new Set(session.images.map(({ name }) => name));
  let name = image.name;
  for (let copy = 2; names.has(name); copy++) name = `${copy}_${image.name}`; // e.g. the same stem as .nii and in another folder
  session.images.push({ ...image, name });
}

/** Rows of participants.tsv by participant_id; empty when there is no such file. "n/a" becomes null, numbers become numbers. */
async function readParticipants(path: string): Promise<ParticipantRows> {
  const rows: ParticipantRows = new Map();
  const text = await Deno.readTextFile(path).catch(() => "");
  const [head, ...lines] = text.replace(/^\ufeff/, "").split(/\r?\n/).filter((line) => line.trim() !== "");
  const columns = (head ?? "").split("\t");
  const key = columns.indexOf("participant_id");
  if (key < 0) return rows;
  for (const line of lines) {
    const cells = line.split("\t");
    const row = columns.map((column, i): [string, unknown] => [column, tableValue(cells[i] ?? "n/a")]);
    rows.set(cells[key], Object.fromEntries(row.filter((_, i) => i !== key)));
  }
  return rows;
}

function tableValue(cell: string): unknown {
  const trimmed = cell.trim();
  if (trimmed === "" || trimmed.toLowerCase() === "n/a") return null;
  return Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed;
}

async function readSidecar(path: string): Promise<Record<string, unknown> | null> {
  try {
    const parsed: unknown = JSON.parse(await Deno.readTextFile(path));
    return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)
      ? parsed as Record<string, unknown>
      : null;
  } catch {
    return null; // no sidecar, or one that is not JSON: the image itself is fine
  }
}
