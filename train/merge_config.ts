/** A JSON object whose keys are not known yet. */
export type JsonObject = { readonly [key: string]: unknown };

/** Whether a value is a JSON object: not null, not an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Keys of objects whose other keys depend on their `kind`. */
const VARIANTS: ReadonlySet<string> = new Set(["optimizer", "schedule", "ratio"]);

/**
 * Lays one partial configuration over another: objects merge key by key, everything else is replaced. An optimizer, schedule or ratio
 * whose `kind` differs from the one below replaces it whole, so that an AdamW does not inherit the momentum of an SGD.
 *
 * @example
 * ```ts
 * mergeConfig({ batch: { size: 6, micro: 1 } }, { batch: { size: 2 } }); // { batch: { size: 2, micro: 1 } }
 * ```
 */
export function mergeConfig(base: JsonObject, over: JsonObject): JsonObject {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue;
    const below = merged[key];
    const merges = isJsonObject(below) && isJsonObject(value) &&
      (!VARIANTS.has(key) || value.kind === undefined || value.kind === below.kind);
    merged[key] = merges ? mergeConfig(below, value) : value;
  }
  return merged;
}
