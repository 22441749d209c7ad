import { type ModelFile, ModelFileError, type ReadModelOptions } from "./types.ts";

/**
 * Opens a file of weights: a run folder, a safetensors file, or a checkpoint of nnssl or nnU-Net.
 *
 * @throws {ModelFileError} when it holds no network that is known
 * @throws {SafetensorsError | TorchError | DataError} when it is damaged or cannot be read
 */
export function readModel(path: string, _options: ReadModelOptions = {}): Promise<ModelFile> {
  return Promise.reject(new ModelFileError(`Cannot read ${path}: reading is not finished`, path));
}
