import { PickleOutput } from "./pickle_output.ts";
import { contiguousStrides, elementCount } from "./strides.ts";
import { STORAGES } from "./torch_dtypes.ts";
import { TorchError, type TorchWritable, type TorchWritableTensor } from "./types.ts";

const MAX_DEPTH = 200;
const STORAGE_NAMES = new Map([...STORAGES].map(([name, dtype]) => [dtype, name]));

/** A storage to be written: the first tensor that names it, and where that is. */
export interface PlannedStorage {
  readonly name: string;
  readonly tensor: TorchWritableTensor;
}

/**
 * Pickles a tree and collects its storages; a storage's index is its name in the file. Tensors with the same data share one.
 *
 * @param path file name for messages
 * @throws {TorchError} on a value or a type that torch does not have, sharing tensors of different types or sizes, a cycle
 */
export function picklePlan(
  path: string,
  root: TorchWritable,
): { readonly pickle: Uint8Array; readonly storages: readonly PlannedStorage[] } {
  const output = new PickleOutput();
  const storages: PlannedStorage[] = [];
  const keys = new Map<TorchWritableTensor["data"], number>();
  const fail = (place: string, what: string): never => {
    throw new TorchError(`Cannot write ${place} to ${path}: ${what}`, path);
  };

  const storageKey = (tensor: TorchWritableTensor, place: string): number => {
    const known = keys.get(tensor.data);
    if (known === undefined) {
      storages.push({ name: place, tensor });
      keys.set(tensor.data, storages.length - 1);
      return storages.length - 1;
    }
    const { name, tensor: first } = storages[known];
    if (first.dtype !== tensor.dtype || elementCount(first.shape) !== elementCount(tensor.shape)) {
      fail(
        place,
        `found ${tensor.dtype} [${tensor.shape}] with the data of ${name}, wanted ${first.dtype} [${first.shape}] too`,
      );
    }
    return known;
  };

  const writeTensor = (tensor: TorchWritableTensor, place: string): void => {
    const { dtype, shape } = tensor;
    const storage = STORAGE_NAMES.get(dtype) ??
      fail(
        place,
        `found dtype ${dtype}, wanted one of ${[...STORAGE_NAMES.keys()].join(", ")}: convert it first`,
      );
    const key = storageKey(tensor, place);
    output.global("torch._utils", "_rebuild_tensor_v2");
    output.call(() => {
      output.tuple(() => {
        output.text("storage");
        output.global("torch", storage);
        output.text(String(key));
        output.text("cpu");
        output.int(elementCount(shape));
      });
      output.opcodes(0x51); // BINPERSID
      output.int(0);
      output.tuple(() => shape.forEach((n) => output.int(n)));
      output.tuple(() => contiguousStrides(shape).forEach((n) => output.int(n)));
      output.boolean(false); // requires_grad
      writeOrdered(); // hooks
    });
  };

  const writeOrdered = (): void => {
    output.global("collections", "OrderedDict");
    output.opcodes(0x29, 0x52); // no arguments, REDUCE
  };

  const writeItems = (
    entries: ReadonlyMap<string | number, TorchWritable>,
    place: string,
    depth: number,
  ): void => {
    if (entries.size === 0) return;
    output.opcodes(0x28); // MARK
    for (const [key, item] of entries) {
      if (typeof key === "string") output.text(key);
      else if (Number.isSafeInteger(key)) output.int(key);
      else fail(place, `found the key ${key}, wanted text or a whole number`);
      write(item, `${place}.${key}`, depth + 1);
    }
    output.opcodes(0x75); // SETITEMS
  };

  const writeNumber = (value: number | bigint, place: string): void => {
    if (typeof value === "number" && (!Number.isSafeInteger(value) || Object.is(value, -0))) {
      return output.float(value);
    }
    try {
      output.int(value);
    } catch (error) {
      fail(place, `found ${(error as Error).message}`);
    }
  };

  const write = (value: TorchWritable, place: string, depth: number): void => {
    if (depth > MAX_DEPTH) fail(place, `values are nested deeper than ${MAX_DEPTH}, or one contains itself`);
    if (value === null) return output.none();
    if (typeof value === "boolean") return output.boolean(value);
    if (typeof value === "string") return output.text(value);
    if (typeof value === "number" || typeof value === "bigint") return writeNumber(value, place);
    if (value instanceof Map) {
      output.opcodes(0x7d); // EMPTY_DICT
      return writeItems(value, place, depth);
    }
    if (Array.isArray(value)) {
      output.opcodes(0x5d, 0x28); // EMPTY_LIST, MARK
      value.forEach((item: TorchWritable, i) => write(item, `${place}[${i}]`, depth + 1));
      return output.opcodes(0x65); // APPENDS
    }
    const object = value as Extract<TorchWritable, { readonly kind: string }>;
    switch (object.kind) {
      case "float":
        return output.float(object.value);
      case "tuple":
        return output.tuple(() =>
          object.items.forEach((item, i) => write(item, `${place}[${i}]`, depth + 1))
        );
      case "ordered_dict":
        writeOrdered();
        return writeItems(object.entries, place, depth);
      case "tensor":
        return writeTensor(object, place);
      default:
        fail(place, `found ${JSON.stringify(value)}, wanted a Map, an array, a tensor, text or a number`);
    }
  };

  write(root, "root", 0);
  return { pickle: output.finish(), storages };
}
