import { toDataError } from "../errors.ts";
import { isDicomName, isImageName } from "../image_names.ts";
import { isDicomFile } from "../formats/dicom/is_dicom_file.ts";

/** One folder of a tree with what discovery looks at. */
export interface TreeFolder {
  readonly path: string;
  /** Folder names below the root. */
  readonly parts: readonly string[];
  /** Names of files that end like an image, sorted. */
  readonly images: readonly string[];
  /** Names of JSON files and tables. */
  readonly texts: readonly string[];
  /** True when its files are those of a DICOM series. */
  readonly dicom: boolean;
}

/** Called with a file or folder that is not read, and why. */
export type LeftOut = (path: string, reason: string) => void;

const SKIPPED_FOLDERS = new Set(["sourcedata", "code"]);
const MAX_DEPTH = 64;
/** Folders between two turns of the event loop, so that signals are heard. */
const FOLDERS_PER_TURN = 256;

/** A folder that is still to be read. */
interface Pending {
  readonly path: string;
  readonly parts: readonly string[];
  /** Path without links, and those of the folders above. */
  readonly real: string;
  readonly above: Pending | null;
}

/**
 * Lists all folders of a tree, each before those below it, in the order of names; links are followed, but not to a folder above.
 *
 * Hidden entries, `.zarr` arrays and folders named `sourcedata` or `code` are not entered.
 *
 * @throws {DataError} when a folder cannot be listed
 */
export async function listTree(root: string, leftOut: LeftOut): Promise<TreeFolder[]> {
  const folders: TreeFolder[] = [];
  const pending: Pending[] = [{ path: root, parts: [], real: root, above: null }];
  while (pending.length > 0) {
    const folder = pending.pop()!;
    if (folders.length % FOLDERS_PER_TURN === FOLDERS_PER_TURN - 1) {
      await new Promise((resolve) => setTimeout(resolve));
    }
    try {
      const { listed, below } = listFolder(folder, leftOut);
      folders.push(listed);
      pending.push(...below.reverse());
    } catch (error) {
      throw toDataError(error, folder.path, "list");
    }
  }
  return folders;
}

function listFolder(folder: Pending, leftOut: LeftOut): { listed: TreeFolder; below: Pending[] } {
  const { path, parts } = folder;
  const entries = [...Deno.readDirSync(path)].filter(({ name }) => !name.startsWith("."));
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  const below: Pending[] = [], images: string[] = [], texts: string[] = [], others: string[] = [];
  for (const { name, isSymlink, isDirectory } of entries) {
    const file = `${path}/${name}`;
    if (isDirectory || (isSymlink && isFolder(file))) {
      const child = enter(folder, name, isSymlink, leftOut);
      if (child) below.push(child);
    } else if (isImageName(name)) images.push(name);
    else if (/\.(json|tsv)$/i.test(name)) texts.push(name);
    else others.push(name);
  }
  return { listed: { path, parts, images, texts, dicom: holdsDicom(path, others) }, below };
}

function isFolder(link: string): boolean {
  try {
    return Deno.statSync(link).isDirectory;
  } catch {
    return false; // a broken link: reading it says so, if it has an image's name
  }
}

function enter(folder: Pending, name: string, isSymlink: boolean, leftOut: LeftOut): Pending | null {
  if (name.endsWith(".zarr")) return null;
  const path = `${folder.path}/${name}`;
  if (SKIPPED_FOLDERS.has(name)) {
    leftOut(path, `folders named ${name} are not read`);
    return null;
  }
  if (folder.parts.length >= MAX_DEPTH) {
    leftOut(path, `folders deeper than ${MAX_DEPTH} are not read`);
    return null;
  }
  const real = isSymlink ? Deno.realPathSync(path) : `${folder.real}/${name}`;
  for (let above: Pending | null = folder; above; above = above.above) {
    if (above.real === real) return null; // a link to a folder above
  }
  return { path, parts: [...folder.parts, name], real, above: folder };
}

/** A series has files that end in .dcm or .ima; exports without endings are recognised by the first file. */
function holdsDicom(path: string, names: readonly string[]): boolean {
  if (names.some(isDicomName)) return true;
  const bare = names.find((name) => !/\.[a-z]\w*$/i.test(name) && name !== "DICOMDIR");
  return bare !== undefined && isDicomFile(`${path}/${bare}`);
}
