import { DataError, toDataError } from "../errors.ts";
import { type PretrainData, pretrainEntries, readPretrainData } from "../pretrain_data.ts";
import { CollectionBuilder } from "./collection_builder.ts";
import { discoverFolder } from "./discover_folder.ts";
import type { LeftOut } from "./tree.ts";

/** How to label what is found. */
export interface DiscoverOptions {
  /** Name of the collection and first part of every id; the name of the folder or list when left out. */
  readonly name?: string;
  /** Index of the collection; the name when left out. */
  readonly index?: string | number;
  /** Modality of an image outside BIDS folders, from its path relative to the folder; "unknown" when left out. */
  readonly modality?: (relativePath: string) => string;
  /** Called with every image file that is not listed (masks without an image, label maps, derivatives) and with folders not entered. */
  readonly onLeftOut?: LeftOut;
}

/**
 * Lists the training images of a folder (a BIDS study, a folder of studies, or any tree of image files), of a list in CSV or TSV form, or of
 * a `pretrain_data.json`.
 *
 * The rules for each are in docs/data.md. Files are listed by name; whether they can be read shows later.
 *
 * @param source path; links are followed
 * @throws {DataError} when the source is missing, of no such kind, or lists no image
 */
export async function discover(source: string, options: DiscoverOptions = {}): Promise<PretrainData> {
  const { path, isDirectory } = await resolve(source);
  const ending = source.toLowerCase().match(/\.(json|csv|tsv)$/)?.[1];
  if (!isDirectory && ending === undefined) {
    throw new DataError({
      file: source,
      found: "a file of another kind",
      wanted: "a folder, a .csv or .tsv list, or a pretrain_data.json",
      remedy: "name the folder that holds the images",
    });
  }
  if (ending === "json" && !isDirectory) return renamed(await readPretrainData(source), options);
  const name = options.name ?? (path.split("/").at(-1)!.replace(/\.(csv|tsv)$/i, "") || "images");
  const builder = new CollectionBuilder(name, options.index ?? name);
  if (isDirectory) await discoverFolder(builder, path, name, options);
  else {
    const { discoverList } = await import("./discover_list.ts");
    await discoverList(builder, path, name, options);
  }
  const data = builder.build();
  if (pretrainEntries(data).length === 0) {
    throw new DataError({
      file: source,
      found: isDirectory ? "no image (.nii, .nii.gz, .nrrd, .mha or DICOM)" : "no row with a path",
      wanted: "a BIDS tree (sub-*/anat/*.nii.gz), a folder of images, or a list of their paths",
      remedy: "check the path; derivatives, masks and label maps do not count",
    });
  }
  return data;
}

async function resolve(source: string): Promise<{ path: string; isDirectory: boolean }> {
  try {
    const path = await Deno.realPath(source);
    return { path, isDirectory: (await Deno.stat(path)).isDirectory };
  } catch (error) {
    throw toDataError(error, source);
  }
}

function renamed(data: PretrainData, { name, index }: DiscoverOptions): PretrainData {
  return {
    ...data,
    collection_name: name ?? data.collection_name,
    collection_index: index ?? data.collection_index,
  };
}
