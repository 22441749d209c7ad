import { openTorchFile } from "../../data/torch/open_torch_file.ts";
import type { TorchTensor, TorchValue } from "../../data/torch/types.ts";
import { parameterOfKey } from "./names.ts";
import type { ModelSource, StoredTensor } from "./source.ts";
import { torchDocuments } from "./torch_documents.ts";

/** Dictionaries that hold weights, those that count most first; "" is the file itself. */
const WEIGHTS = ["network_weights", "state_dict", "model_state_dict", "model", "", "spark_weights"];

/**
 * Opens a checkpoint of PyTorch as a source of weights.
 *
 * @throws {TorchError | DataError} when it is damaged, hostile or cannot be read
 */
export async function openTorchSource(path: string): Promise<ModelSource> {
  const file = await openTorchFile(path);
  try {
    const found = new Map<string, TorchTensor>();
    collect(file.root, "", found);
    return {
      path,
      tensors: [...found].map(([key, tensor]) => stored(key, tensor)),
      documents: torchDocuments(file.root, file.notes, path),
      read: (key) => file.read(found.get(key)!),
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    };
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

/** Every tensor below a value, by its path. */
function collect(value: TorchValue, path: string, found: Map<string, TorchTensor>): void {
  const below = (name: string) => path === "" ? name : `${path}/${name}`;
  if (value instanceof Map) {
    for (const [key, inner] of value) collect(inner, below(String(key)), found);
  } else if (Array.isArray(value)) {
    value.forEach((inner: TorchValue, i) => collect(inner, below(String(i)), found));
  } else if (isTensor(value)) found.set(path, value);
}

function isTensor(value: TorchValue): value is TorchTensor {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "tensor";
}

function stored(key: string, { dtype, shape, strides, offset, storage }: TorchTensor): StoredTensor {
  const cut = key.lastIndexOf("/");
  const folder = cut < 0 ? "" : key.slice(0, cut);
  const group = WEIGHTS.indexOf(folder);
  const meaning = group < 0 ? null : parameterOfKey(key.slice(cut + 1));
  const reason = key.startsWith("optimizer_state/")
    ? "state of the optimizer"
    : group < 0
    ? "outside the dictionaries of weights"
    : "no parameter of a U-Net or masked auto-encoder";
  return {
    key,
    dtype,
    shape,
    memory: JSON.stringify([storage, offset, shape, strides]),
    parameter: meaning?.name ?? null,
    reason,
    rank: meaning === null ? Infinity : (meaning.second ? 0 : 100) + 10 * group + meaning.wrapped,
  };
}
