import type { TorchValue } from "../../data/torch/types.ts";

/**
 * Whether a value of a checkpoint is what a manifest says of it. Manifests write JSON, and in words what JSON lacks: `dict with 3
 * entries`, `torch.device: cpu`, `numpy.float32: 0.5`, `builtins.set: {1, 2}`, `builtins.bytes: b'\x00'`; a list may end in `...`.
 *
 * @returns place and text of the first difference, null where there is none
 */
export function differsFrom(value: TorchValue | undefined, described: unknown, place: string): string | null {
  const fail = () => `${place}: found ${show(value)}, wanted ${JSON.stringify(described)}`;
  if (typeof described === "string" && described !== value) return inWords(value, described) ? null : fail();
  if (Array.isArray(described)) {
    if (!Array.isArray(value)) return fail();
    const open = described.at(-1) === "...";
    const wanted = open ? described.slice(0, -1) : described;
    if (open ? value.length <= wanted.length : value.length !== wanted.length) return fail();
    return first(wanted.map((entry, i) => differsFrom(value[i], entry, `${place}[${i}]`)));
  }
  if (typeof described === "object" && described !== null) {
    if (!(value instanceof Map) || value.size !== Object.keys(described).length) return fail();
    return first(
      Object.entries(described).map(([key, entry]) => differsFrom(value.get(key), entry, `${place}.${key}`)),
    );
  }
  return value === described ? null : fail();
}

function inWords(value: TorchValue | undefined, words: string): boolean {
  const entries = /^(?:dict|OrderedDict) with (\d+) entries$/.exec(words);
  if (entries) return value instanceof Map && value.size === Number(entries[1]);
  const typed = /^([\w.]+): (.*)$/.exec(words);
  if (typed === null) return false;
  const [, type, text] = typed;
  if (type.startsWith("numpy.")) return value === Number(text);
  if (type === "torch.device") return value === text;
  if (type === "builtins.set") return Array.isArray(value) && `{${value.join(", ")}}` === text;
  if (type !== "builtins.bytes" || !(value instanceof Uint8Array)) return false;
  return `b'${Array.from(value, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}'` === text;
}

function first(faults: readonly (string | null)[]): string | null {
  return faults.find((fault) => fault !== null) ?? null;
}

function show(value: TorchValue | undefined): string {
  return value instanceof Map ? `a dictionary of ${[...value.keys()].join(", ")}` : String(value);
}
