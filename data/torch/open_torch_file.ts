import type { TorchFile, TorchReadOptions } from "./types.ts";
import { TorchError } from "./types.ts";

/**
 * Opens a file written by torch.save.
 *
 * @throws {TorchError} when the file is damaged, hostile or of a form that is not read
 * @throws {DataError} when it cannot be opened
 */
export function openTorchFile(path: string, _options: TorchReadOptions = {}): Promise<TorchFile> {
  return Promise.reject(new TorchError(`Cannot read ${path}: reading is not finished`, path));
}
