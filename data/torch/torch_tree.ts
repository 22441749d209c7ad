import {
  PickleArray,
  PickleDict,
  PickleDtype,
  PickleGlobal,
  PickleList,
  PickleOpaque,
  PickleStorage,
  PickleTensor,
  type PickleValue,
} from "./pickle_values.ts";
import { DTYPES } from "./torch_dtypes.ts";
import type { TorchKey, TorchOpaque, TorchValue } from "./types.ts";

const MAX_DEPTH = 200;
/** Values of the tree written out, where what is shared counts every time: no walk over it takes longer. */
const MAX_VALUES = 16_000_000;

/**
 * Turns what a pickle left into plain values, in place. Refuses cycles, deep nesting, and values that contain each other so often
 * that a walk over them would not end ("billion laughs").
 *
 * @param opaque makes the value of a class that is only named, with a note
 */
export function torchTree(
  root: PickleValue,
  opaque: (name: string) => PickleOpaque,
  fail: (what: string) => never,
): TorchValue {
  /** Finished containers with their sizes; null while their content is converted. */
  const done = new Map<object, { value: TorchValue; values: number } | null>();
  let total = 0;

  const convert = (item: PickleValue, depth: number): TorchValue => {
    total += 1;
    if (total > MAX_VALUES) fail(`its values contain each other more than ${MAX_VALUES} times`);
    if (item === null || typeof item !== "object") return item;
    if (item instanceof Uint8Array) return item;
    if (item instanceof PickleTensor) return item.tensor;
    if (item instanceof PickleOpaque) return plain(item);
    if (item instanceof PickleGlobal) return named(item.name);
    if (item instanceof PickleArray) {
      return item.content === null ? plain(opaque("numpy.ndarray")) : convert(item.content, depth + 1);
    }
    if (item instanceof PickleStorage) return plain(opaque("torch.Storage"));
    if (item instanceof PickleDtype) return `numpy.${item.code}`;
    const known = done.get(item);
    if (known === null) fail("a value contains itself");
    if (known) {
      total += known.values;
      if (total > MAX_VALUES) fail(`its values contain each other more than ${MAX_VALUES} times`);
      return known.value;
    }
    if (depth > MAX_DEPTH) fail(`its values are nested deeper than ${MAX_DEPTH}`);
    done.set(item, null);
    const before = total;
    const value = container(item, depth);
    done.set(item, { value, values: total - before });
    return value;
  };

  const container = (item: PickleList | PickleDict, depth: number): TorchValue => {
    if (item instanceof PickleDict) {
      const entries = item.entries as Map<TorchKey, PickleValue | TorchValue>;
      for (const [key, inner] of item.entries) entries.set(key, convert(inner, depth + 1));
      return entries as Map<TorchKey, TorchValue>;
    }
    const items = item.items as (PickleValue | TorchValue)[];
    for (let i = 0; i < items.length; i++) items[i] = convert(items[i] as PickleValue, depth + 1);
    return items as TorchValue[];
  };

  const named = (name: string): TorchValue =>
    name.startsWith("torch.") && DTYPES.has(name.slice(6)) ? name : plain(opaque(name));

  const plain = ({ name }: PickleOpaque): TorchOpaque => ({ kind: "opaque", name });

  return convert(root, 0);
}
