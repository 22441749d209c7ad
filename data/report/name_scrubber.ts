import { imageStem } from "../image_names.ts";
import type { PretrainEntry } from "../pretrain_data.ts";

/** What may not be read from a reason: where an image lies and whose it is. */
export interface ImageNames {
  /** Id of the image. */
  readonly id: string;
  /** Path of its file. */
  readonly file: string;
}

/** Takes ids, paths and names of files out of a text that was written about images, so that it can be shown to anybody. */
export class NameScrubber {
  readonly #prefix: string;
  readonly #ids: KnownTexts;
  readonly #paths: KnownTexts;
  readonly #names = new Set<string>();

  /**
   * @param collection name of the collection, with which every id begins
   * @param entries all images of the collection
   */
  constructor(collection: string, entries: readonly PretrainEntry[]) {
    this.#prefix = `${collection}__`;
    const ids = new Set<string>(), paths = new Set<string>();
    for (const { imageId, subjectId, subject, session, image } of entries) {
      ids.add(imageId).add(subjectId);
      paths.add(image.image_path);
      for (const name of [subject, session, image.name, imageStem(image.name)]) {
        if (/\D.{2}|\d{4}/.test(name)) this.#names.add(name); // "1" or "T1" says nothing about anybody
      }
    }
    this.#ids = knownTexts(ids);
    this.#paths = knownTexts(paths);
  }

  /**
   * The text with `[file]` for paths and file names and `[image]` for ids.
   *
   * @param own the image that the text is about; its names are found even where they hold spaces
   */
  scrub(text: string, own: ImageNames): string {
    let result = text.replaceAll(own.file, "[file]").replaceAll(own.id, "[image]");
    result = this.#replaceKnown(result, this.#prefix, this.#ids, "[image]");
    result = this.#replaceKnown(result, "/", this.#paths, "[file]");
    const fileName = own.file.split(/[\\/]/).at(-1)!;
    if (fileName.length > 2) {
      result = result.replaceAll(fileName, "[file]").replaceAll(imageStem(fileName), "[file]");
    }
    return result
      .replace(/(?<=^|[\s"'(=])(?:[A-Za-z]:)?[\\/][^\s"',;()]*[^\s"',;():.]/g, "[file]")
      .replace(/[^\s"',;()[\]]+__[^\s"',;()]*[^\s"',;():.]/g, "[image]")
      .replace(/[^\s"',;()[\]]+\.(?:nii\.gz|nii|nrrd|mha|mhd|dcm|ima|json|zarr)\b(?:\/[\w/]+)?/gi, "[file]")
      .replace(/\b(?:sub|ses)-[A-Za-z0-9]+/g, "[image]")
      .replace(/[\w.+-]*\w/g, (word) => this.#names.has(word) ? "[image]" : word);
  }

  /** Replaces the longest known string at every place where `start` begins a word. */
  #replaceKnown(text: string, start: string, known: KnownTexts, by: string): string {
    let result = "", from = 0;
    for (let at = text.indexOf(start); at >= 0; at = text.indexOf(start, at + 1)) {
      if (at < from || (at > 0 && /[\w./\\-]/.test(text[at - 1]))) continue;
      const length = known.lengths.find((candidate) => known.texts.has(text.slice(at, at + candidate)));
      if (length === undefined) continue;
      result += text.slice(from, at) + by;
      from = at + length;
    }
    return result + text.slice(from);
  }
}

/** Texts that can be looked for at one place of another text. */
interface KnownTexts {
  readonly texts: ReadonlySet<string>;
  /** Lengths that they have, longest first. */
  readonly lengths: readonly number[];
}

function knownTexts(texts: ReadonlySet<string>): KnownTexts {
  const lengths = new Set<number>();
  for (const text of texts) lengths.add(text.length);
  return { texts, lengths: [...lengths].sort((a, b) => b - a) };
}
