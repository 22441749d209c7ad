import { DataError } from "../data/errors.ts";
import { readImage } from "../data/formats/mod.ts";
import type { Affine, Dims3 } from "../data/volume.ts";

/** A segmentation with its place in the world. */
export interface LabelMap {
  /** Label values, `[D, H, W]`, C order. */
  readonly data: Uint8Array | Uint16Array;
  readonly shape: Dims3;
  /** mm along z, y, x. */
  readonly spacing: Dims3;
  readonly affine: Affine;
}

/** Largest label value that can be read. */
export const MAX_LABEL = 65535;

/**
 * Reads a label map and checks its values.
 *
 * @param known label values that may occur
 * @throws {DataError} when the file cannot be read, or one of its values is no whole number in [0, 65535] or not in `known`
 */
export async function readLabelMap(path: string, known: ReadonlySet<number>): Promise<LabelMap> {
  const { data, shape, spacing, affine } = await readImage(path);
  return { data: labelValues(data, path, known), shape, spacing, affine };
}

/**
 * Turns voxels into label values, 8 bits each where that is enough.
 *
 * @throws {DataError} naming the values that are no labels or not in `known`
 */
export function labelValues(
  voxels: Float32Array,
  file: string,
  known: ReadonlySet<number>,
): Uint8Array | Uint16Array {
  const allowed = new Uint8Array(MAX_LABEL + 1);
  for (const value of known) allowed[value] = 1;
  const labels = Math.max(0, ...known) < 256 ? new Uint8Array(voxels.length) : new Uint16Array(voxels.length);
  for (let i = 0; i < voxels.length; i++) {
    const value = voxels[i];
    if (allowed[value] !== 1) throw unknownValues(voxels, file, known); // also undefined: fractions, negatives, NaN
    labels[i] = value;
  }
  return labels;
}

function unknownValues(voxels: Float32Array, file: string, known: ReadonlySet<number>): DataError {
  const found = new Set<number>();
  let count = 0;
  for (const value of voxels) {
    if (known.has(value)) continue;
    count++;
    if (found.size < 6) found.add(value);
  }
  const values = [...found].sort((a, b) => a - b);
  return new DataError({
    file,
    action: "evaluate",
    found: `undeclared label value${values.length > 1 ? "s" : ""} ${values.join(", ")} in ${count} voxels`,
    wanted: `values among ${listValues([...known])}`,
    remedy: "correct the file, or declare the labels",
  });
}

/** `0-11, 255`: whole numbers in ascending order, runs joined. */
export function listValues(values: readonly number[]): string {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  const runs: [number, number][] = [];
  for (const value of sorted) {
    const last = runs.at(-1);
    if (last && last[1] === value - 1) last[1] = value;
    else runs.push([value, value]);
  }
  return runs.map(([low, high]) =>
    low === high ? `${low}` : high === low + 1 ? `${low}, ${high}` : `${low}-${high}`
  ).join(", ");
}
