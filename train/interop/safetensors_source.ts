import { readSafetensors, readSafetensorsHeader } from "../../data/safetensors_file.ts";
import { parameterOfKey } from "./names.ts";
import type { ModelSource, StoredTensor } from "./source.ts";
import { spark3dDocuments } from "./spark3d_documents.ts";

/**
 * Opens a safetensors file as a source of weights.
 *
 * @throws {ModelFileError} when metadata of spark3d are damaged
 * @throws {SafetensorsError | DataError} when the file is damaged or cannot be read
 */
export async function openSafetensorsSource(path: string): Promise<ModelSource> {
  const { metadata, tensors } = await readSafetensorsHeader(path);
  return {
    path,
    tensors: [...tensors].map(([key, { dtype, shape }]): StoredTensor => {
      const meaning = key.includes(":") ? null : parameterOfKey(key);
      const reason = key.includes(":")
        ? "state of the optimizer"
        : "no parameter of a U-Net or masked auto-encoder";
      return {
        key,
        dtype,
        shape,
        memory: key,
        parameter: meaning?.name ?? null,
        reason,
        rank: meaning === null ? Infinity : (meaning.second ? 0 : 100) + meaning.wrapped,
      };
    }),
    documents: spark3dDocuments(metadata, path),
    read: async (key) => (await readSafetensors(path, [key])).tensors.get(key)!,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
