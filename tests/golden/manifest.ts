/** Allowed difference of one tensor: `|a - ref| <= atol + rtol * |ref|` for every element. */
export interface Tolerance {
  readonly atol: number;
  readonly rtol: number;
  readonly [detail: string]: unknown;
}

/** Where a recorded tensor lies. Without `tolerance` it must be met exactly. */
export interface TensorRef {
  readonly file: string;
  readonly key: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly tolerance?: Tolerance;
}

/** One recorded call: what went in, what came out, and scalars that belong to it. */
export interface GoldenCase {
  readonly id: string;
  readonly op: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly inputs: Readonly<Record<string, TensorRef>>;
  readonly outputs: Readonly<Record<string, TensorRef>>;
  /** float64 numbers; "NaN" and "Infinity" are strings, see `goldenNumber`. */
  readonly expected?: Readonly<Record<string, unknown>>;
  readonly [detail: string]: unknown;
}

/** A group's manifest.json; a group may hold further tables (networks, decision tables, schedules). */
export interface Manifest {
  readonly group: string;
  readonly title?: string;
  readonly notes?: readonly string[];
  readonly cases: readonly GoldenCase[];
  readonly [detail: string]: unknown;
}

/** Reads a number of a manifest, where JSON has no NaN or infinity: "NaN", "Infinity" and "-Infinity" are strings. */
export function goldenNumber(value: unknown): number {
  if (typeof value === "number") return value;
  if (value === "NaN") return NaN;
  if (value === "Infinity" || value === "+Infinity") return Infinity;
  if (value === "-Infinity") return -Infinity;
  throw new TypeError(`Cannot read a manifest number: found ${JSON.stringify(value)}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Checks the frame of a manifest and fills absent `attributes`, `inputs` and `outputs` with empty objects.
 *
 * @param folder name used when the manifest names no group
 * @throws {Error} naming the case that lacks an id or op
 */
export function parseManifest(text: string, folder: string): Manifest {
  const parsed: unknown = JSON.parse(text);
  if (!isRecord(parsed)) throw new Error(`${folder}/manifest.json: found no object`);
  const cases = (Array.isArray(parsed.cases) ? parsed.cases : []).map((entry: unknown, index): GoldenCase => {
    if (!isRecord(entry) || typeof entry.id !== "string" || typeof entry.op !== "string") {
      throw new Error(`${folder}/manifest.json: case ${index} has no id or no op`);
    }
    return { attributes: {}, inputs: {}, outputs: {}, ...entry } as unknown as GoldenCase;
  });
  return { ...parsed, group: typeof parsed.group === "string" ? parsed.group : folder, cases };
}
