import { TorchError, type TorchValue } from "./types.ts";

/** A value of JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Characters of the JSON, about: text that is shared counts every time, as it will when somebody writes it out. */
const MAX_CHARACTERS = 32 * 1024 * 1024;
/** What a value counts that is no text. */
const VALUE_CHARACTERS = 8;
const MAX_PLACE = 200;

/**
 * Plain JSON of a value without tensors, such as the plans inside a checkpoint. Keys become text, opaque values the name of their
 * class in angle brackets.
 *
 * @throws {TorchError} when there is a tensor, bytes, a number that JSON lacks, or more than 32 Mi characters, naming its place
 */
export function torchToJson(value: TorchValue, source = "memory"): Json {
  let characters = 0;
  const refuse = (place: string, found: string, wanted: string): never => {
    throw new TorchError(
      `Cannot turn ${place.slice(0, MAX_PLACE)} of ${source} into JSON: found ${found}, wanted ${wanted}`,
      source,
    );
  };
  const spend = (count: number, place: string): void => {
    characters += count;
    if (characters > MAX_CHARACTERS) {
      refuse(place, "more text than any plan has", `at most ${MAX_CHARACTERS} characters`);
    }
  };
  const convert = (item: TorchValue, place: string): Json => {
    spend(typeof item === "string" ? item.length : VALUE_CHARACTERS, place);
    if (item === null || typeof item === "boolean" || typeof item === "string") return item;
    if (typeof item === "number" && Number.isFinite(item)) return item;
    if (item instanceof Map) {
      return Object.fromEntries([...item as ReadonlyMap<unknown, TorchValue>].map(([key, inner]) => {
        const name = String(key);
        spend(name.length, place);
        return [name, convert(inner, `${place}.${name}`)];
      }));
    }
    if (Array.isArray(item)) return item.map((inner: TorchValue, i) => convert(inner, `${place}[${i}]`));
    if (typeof item === "object" && "kind" in item && item.kind === "opaque") return `<${item.name}>`;
    const found = typeof item === "object" ? ("kind" in item ? "a tensor" : "bytes") : String(item);
    return refuse(place, found, "numbers, text, lists and dictionaries");
  };
  return convert(value, "the value");
}
