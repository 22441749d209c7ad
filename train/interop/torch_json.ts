import type { TorchWritable } from "../../data/torch/types.ts";

/** A value of JSON as Python's dict, list, str, int, float, bool and None; entries that are undefined are left out, as in JSON. */
export function torchFromJson(value: unknown): TorchWritable {
  if (
    value === null || typeof value === "boolean" || typeof value === "number" || typeof value === "string"
  ) {
    return value;
  }
  if (Array.isArray(value)) return value.map(torchFromJson);
  if (typeof value === "object") {
    const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
    return new Map(entries.map(([key, inner]) => [key, torchFromJson(inner)]));
  }
  throw new TypeError(`Cannot write a ${typeof value} to a PyTorch file: wanted a value of JSON`);
}
