import { toDataError } from "../errors.ts";
import { DatasetError } from "./dataset_error.ts";
import { type DatasetFields, parseDescription } from "./description.ts";
import { listCases } from "./list_cases.ts";
import { readJsonFile } from "./read_json_file.ts";

/** One labelled training case. */
export interface DatasetCase {
  readonly id: string;
  /** One file a channel, in the order of the channels; absolute paths. */
  readonly images: readonly string[];
  /** Label map, absolute path. */
  readonly label: string;
}

/** A labelled data set in the layout of nnU-Net v2. */
export interface LabelledDataset extends DatasetFields {
  /** Absolute path. */
  readonly folder: string;
  /** Name of the folder. */
  readonly name: string;
  /** Ascending by id. */
  readonly cases: readonly DatasetCase[];
}

/**
 * Reads dataset.json and lists the training cases; looks for every file, into none of them (`checkDataset` does).
 *
 * @param folder `DatasetXXX_Name`
 * @throws {DataError} when dataset.json or a folder cannot be read, or a field of dataset.json is wrong
 * @throws {DatasetError} naming every file that is missing or too many
 */
export async function readDataset(folder: string): Promise<LabelledDataset> {
  let real: string;
  try {
    real = await Deno.realPath(folder);
  } catch (error) {
    throw toDataError(error, folder);
  }
  const file = `${real}/dataset.json`;
  const fields = parseDescription(await readJsonFile(file), file);
  const { cases, problems } = await listCases(real, fields);
  if (problems.length > 0) throw new DatasetError(problems);
  return { folder: real, name: real.split(/[\\/]/).at(-1)!, ...fields, cases };
}
