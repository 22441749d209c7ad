import { requireOwnPlaces } from "./output_files.ts";
import { provenanceOf } from "./provenance.ts";
import { readModel } from "./read_model.ts";
import { readTrainingRecord } from "./training_record.ts";
import type { ImportSummary, ModelFile, ReadModelOptions } from "./types.ts";
import { writeModel } from "./write_model.ts";

/** What an import wrote, and what it was made from. */
export interface ImportedModel extends ImportSummary {
  readonly model: Omit<ModelFile, "tensors" | typeof Symbol.asyncDispose>;
}

/**
 * Imports a checkpoint of nnssl or nnU-Net, or any file of weights, into a safetensors file of this project.
 *
 * @param out path of the safetensors file; replaced when it is there
 * @throws {ModelFileError} as {@linkcode readModel} and {@linkcode writeModel}
 * @throws {DataError} when `out` is the source, a folder, or lies among a run's checkpoints
 *
 * @example
 * ```ts ignore
 * const { model } = await importModel("checkpoint_final.pth", "model.safetensors");
 * console.log(model.report.skipped.length, "keys were left out");
 * ```
 */
export async function importModel(
  path: string,
  out: string,
  options: ReadModelOptions = {},
): Promise<ImportedModel> {
  await using model = await readModel(path, options);
  await requireOwnPlaces(model.path, [out]);
  const { tensors: _tensors, [Symbol.asyncDispose]: _dispose, ...facts } = model;
  const provenance = provenanceOf(model, await readTrainingRecord(path));
  return { ...await writeModel(model, out, provenance), model: facts };
}
