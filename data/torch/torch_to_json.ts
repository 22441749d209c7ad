import { TorchError, type TorchValue } from "./types.ts";

/** A value of JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * Plain JSON of a value without tensors, such as the plans inside a checkpoint. Keys become text, opaque values the name of their
 * class in angle brackets.
 *
 * @throws {TorchError} when there is a tensor, bytes, or a number that JSON lacks, naming its place
 */
export function torchToJson(value: TorchValue, source = "memory"): Json {
  const convert = (item: TorchValue, place: string): Json => {
    if (item === null || typeof item === "boolean" || typeof item === "string") return item;
    if (typeof item === "number" && Number.isFinite(item)) return item;
    if (item instanceof Map) {
      return Object.fromEntries(
        [...item as ReadonlyMap<unknown, TorchValue>].map((
          [key, inner],
        ) => [String(key), convert(inner, `${place}.${key}`)]),
      );
    }
    if (Array.isArray(item)) return item.map((inner: TorchValue, i) => convert(inner, `${place}[${i}]`));
    if (typeof item === "object" && "kind" in item && item.kind === "opaque") return `<${item.name}>`;
    const found = typeof item === "object" ? ("kind" in item ? "a tensor" : "bytes") : String(item);
    throw new TorchError(
      `Cannot turn ${place} of ${source} into JSON: found ${found}, wanted numbers, text, lists and dictionaries`,
      source,
    );
  };
  return convert(value, "the value");
}
