import type { TorchWritable } from "./types.ts";
import { TorchError } from "./types.ts";

/**
 * Writes a file that torch.load(weights_only=True) opens.
 *
 * @throws {TorchError} when a value cannot be written
 * @throws {DataError} when the folder is not writable or the disk is full
 */
export function writeTorchFile(path: string, _root: TorchWritable): Promise<void> {
  return Promise.reject(new TorchError(`Cannot write ${path}: writing is not finished`, path));
}
