import { openTorchFile } from "../../data/torch/open_torch_file.ts";
import { TorchError, type TorchTensor, type TorchValue } from "../../data/torch/types.ts";
import { parameterOfKey } from "./names.ts";
import type { ModelSource, StoredTensor } from "./source.ts";
import { torchDocuments } from "./torch_documents.ts";

/** Dictionaries that hold weights, those that count most first; "" is the file itself. */
const WEIGHTS = ["network_weights", "state_dict", "model_state_dict", "model", "", "spark_weights"];

/** Names of tensors and characters of a name in one file: far above any network, below what a few bytes can ask for. */
const MAX_TENSORS = 100_000;
const MAX_NAME = 1000;

/**
 * Opens a checkpoint of PyTorch as a source of weights.
 *
 * @throws {TorchError | DataError} when it is damaged, hostile or cannot be read
 */
export async function openTorchSource(path: string): Promise<ModelSource> {
  const file = await openTorchFile(path);
  try {
    const found = collect(file.root, path);
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

/** Every tensor of a file, by its place in it. @throws {TorchError} when there are too many, or their names are too long */
function collect(root: TorchValue, file: string): ReadonlyMap<string, TorchTensor> {
  const found = new Map<string, TorchTensor>();
  const refuse = (what: string): never => {
    throw new TorchError(
      `Cannot read ${file}: found ${what}: the file is damaged or hostile, get it again from a source that you trust`,
      file,
    );
  };
  const walk = (value: TorchValue, place: string): void => {
    const below = (name: string) => place === "" ? name : `${place}/${name}`;
    if (value instanceof Map) { for (const [key, inner] of value) walk(inner, below(String(key))); }
    else if (Array.isArray(value)) value.forEach((inner: TorchValue, i) => walk(inner, below(String(i))));
    else if (isTensor(value)) {
      if (place.length > MAX_NAME) {
        refuse(`a tensor whose name has ${place.length} characters, wanted at most ${MAX_NAME}`);
      }
      if (found.size === MAX_TENSORS) {
        refuse(`more than ${MAX_TENSORS} names of tensors, wanted those of a network`);
      }
      found.set(place, value);
    }
  };
  walk(root, "");
  return found;
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
