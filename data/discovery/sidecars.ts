import { parseBidsName } from "./bids_name.ts";
import type { TreeFolder } from "./tree.ts";

type Info = Record<string, unknown>;

/** Longest text and list of a sidecar that are kept: tables of slices or of converters would fill memory. */
const LONGEST_TEXT = 200, LONGEST_LIST = 16;

/** Sidecars of one folder by the keys of their entities ("" for none), then by suffix and values. */
type FolderIndex = Map<string, { keys: readonly string[]; files: Map<string, string> }>;

/** Reads the JSON files that describe images. */
export class Sidecars {
  readonly #folders: ReadonlyMap<string, TreeFolder>;
  readonly #indices = new Map<string, FolderIndex>();
  readonly #names = new Map<string, Set<string>>();
  readonly #shared = new Map<string, Info | null>();

  /** @param folders of the tree by path */
  constructor(folders: readonly TreeFolder[]) {
    this.#folders = new Map(folders.map((folder) => [folder.path, folder]));
  }

  /**
   * What the sidecars of a BIDS image say, by the inheritance principle: every JSON file in the image's folder or above it, down from the
   * study, whose suffix is the image's and whose entities the image has all. The deeper file counts, then that with more entities.
   *
   * @param chain paths of the folders from the study to the image's
   * @returns null when there is none
   * Source: BIDS specification, common principles, "The Inheritance Principle"
   */
  ofBidsImage(chain: readonly string[], file: string): Info | null {
    const { entities, suffix } = parseBidsName(file);
    const found: Info[] = [];
    for (const [level, folder] of chain.entries()) {
      const applicable: { path: string; count: number }[] = [];
      for (const { keys, files } of this.#index(folder).values()) {
        if (!keys.every((key) => entities.has(key))) continue;
        const path = files.get([suffix, ...keys.map((key) => entities.get(key))].join("_"));
        if (path) applicable.push({ path, count: keys.length });
      }
      applicable.sort((a, b) => a.count - b.count);
      for (const { path } of applicable) {
        const said = level === chain.length - 1 ? readInfo(path) : this.#readShared(path);
        if (said) found.push(said);
      }
    }
    return found.length > 0 ? Object.assign({}, ...found) as Info : null;
  }

  /** What the JSON file of the same stem beside an image says; null when there is none. */
  besideImage(folder: string, stem: string): Info | null {
    let names = this.#names.get(folder);
    if (!names) this.#names.set(folder, names = new Set(this.#folders.get(folder)?.texts));
    return names.has(`${stem}.json`) ? readInfo(`${folder}/${stem}.json`) : null;
  }

  #readShared(path: string): Info | null {
    let info = this.#shared.get(path);
    if (info === undefined) this.#shared.set(path, info = readInfo(path));
    return info;
  }

  #index(folder: string): FolderIndex {
    let index = this.#indices.get(folder);
    if (index) return index;
    this.#indices.set(folder, index = new Map());
    for (const name of this.#folders.get(folder)?.texts ?? []) {
      if (!name.toLowerCase().endsWith(".json")) continue;
      const { entities, suffix } = parseBidsName(name);
      const keys = [...entities.keys()].sort();
      let group = index.get(keys.join("_"));
      if (!group) index.set(keys.join("_"), group = { keys, files: new Map() });
      group.files.set([suffix, ...keys.map((key) => entities.get(key))].join("_"), `${folder}/${name}`);
    }
    return index;
  }
}

/** Content of a JSON object: numbers, booleans, short texts and short lists of these; null for anything but an object. */
export function readInfo(path: string): Info | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Deno.readTextFileSync(path));
  } catch {
    return null; // not there, or not JSON: the image itself is fine
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return null;
  const isShort = (value: unknown): boolean =>
    value === null || typeof value === "number" || typeof value === "boolean" ||
    (typeof value === "string" && value.length <= LONGEST_TEXT);
  return Object.fromEntries(
    Object.entries(parsed).filter(([, value]) =>
      isShort(value) || (Array.isArray(value) && value.length <= LONGEST_LIST && value.every(isShort))
    ),
  );
}
