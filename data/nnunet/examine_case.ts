import { type Box3, boxSize, nonzeroBox } from "../crop.ts";
import { DataError } from "../errors.ts";
import { findNonFinite } from "../find_non_finite.ts";
import { readImage } from "../formats/read_image.ts";
import { reorient } from "../orientation.ts";
import type { PoolTask } from "../task_pool.ts";
import type { Dims3 } from "../volume.ts";
import type { DatasetCase } from "./dataset.ts";
import { problemLine } from "./dataset_error.ts";
import { drawIntensities, type IntensityPool } from "./intensity_pool.ts";

/** One case to look into; plain values, posted to a worker. */
export interface ExamineTask extends PoolTask, DatasetCase {}

/** What all cases share; plain values, posted to every worker once. */
export interface ExamineSettings {
  /** Values that a label map may hold, ignore included, ascending. */
  readonly declared: readonly number[];
  readonly ignore: number | null;
  /** Axis codes to bring the volumes to first; null keeps the axes of the files. */
  readonly orientation: string | null;
  /** Foreground intensities to draw of every channel. */
  readonly draws: number;
  /** Largest number of bytes of one decompressed file. */
  readonly maxBytes?: number;
}

/** What was found in a case. */
export interface ExaminedCase {
  /** A line for everything that makes the case unusable. */
  readonly problems: readonly string[];
  /** Present when there is no problem. */
  readonly facts?: CaseFacts;
}

/** What the fingerprint takes of a case; sizes along z, y, x of the file brought to the orientation. */
export interface CaseFacts {
  readonly spacing: Dims3;
  readonly shape: Dims3;
  readonly shapeAfterCropping: Dims3;
  /** Whether a label other than background and ignore lies in the non-zero part. */
  readonly annotated: boolean;
  /** One a channel; empty without foreground. */
  readonly pools: readonly IntensityPool[];
}

/** Undeclared values that a problem lists at most. */
const MOST_VALUES = 5;

/**
 * Reads the images and the label map of a case: intensities must be finite and not zero everywhere, labels declared. The grids are
 * compared before, by their headers (`surveyGrids`).
 */
export async function examineCase(task: ExamineTask, settings: ExamineSettings): Promise<ExaminedCase> {
  const problems: string[] = [];
  const channels: Float32Array[] = [];
  let box: Box3 | null = null;
  let grid: { readonly shape: Dims3; readonly spacing: Dims3 } | undefined;
  for (const file of task.images) {
    const volume = await readOr(problems, file, settings);
    if (!volume) continue;
    grid ??= { shape: volume.shape, spacing: volume.spacing };
    const bad = findNonFinite(volume.data);
    if (bad) {
      const found = `${bad.count} NaN or infinite values (the first at voxel ${bad.index})`;
      problems.push(
        problemLine({ file, found, wanted: "finite intensities", remedy: "repair or remove the case" }),
      );
    }
    box = unite(box, nonzeroBox(volume.data, volume.shape));
    channels.push(volume.data);
  }
  const labels = await readOr(problems, task.label, settings);
  if (labels) problems.push(...labelProblems(task.label, labels.data, settings.declared));
  if (channels.length === task.images.length && !box) {
    const found = `zero in every voxel${channels.length > 1 ? " of every channel" : ""}`;
    const remedy = "remove the case or export it again";
    problems.push(problemLine({ file: task.images[0], found, wanted: "an image with content", remedy }));
  }
  if (problems.length > 0 || !box || !labels || !grid) return { problems };
  const { ignore, draws } = settings;
  const inside = foregroundIn(labels.data, grid.shape, box);
  const intensities = channels.map((data) => Float32Array.from(inside, (at) => data[at]));
  return {
    problems,
    facts: {
      ...grid,
      shapeAfterCropping: boxSize(box),
      annotated: inside.some((at) => labels.data[at] !== ignore),
      pools: drawIntensities(intensities, draws),
    },
  };
}

/** Reads a volume and brings it to the orientation; a file that cannot be read becomes a problem. */
async function readOr(problems: string[], file: string, { maxBytes, orientation }: ExamineSettings) {
  try {
    const volume = await readImage(file, { maxBytes });
    return orientation === null ? volume : reorient(volume, orientation);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    problems.push(error.message);
    return null;
  }
}

/** One line for each kind of wrong value. */
function labelProblems(file: string, data: Float32Array, declared: readonly number[]): string[] {
  const known = new Set(declared);
  const undeclared = new Map<number, number>();
  let fraction: number | undefined, last = 0;
  for (const value of data) {
    if (value === last) continue; // labels come in runs
    if (known.has(value)) last = value;
    else if (!Number.isInteger(value)) fraction ??= value;
    else undeclared.set(value, (undeclared.get(value) ?? 0) + 1);
  }
  const problems: string[] = [];
  const wanted = `the values ${valueRange(declared)} of dataset.json`;
  if (fraction !== undefined) {
    problems.push(
      problemLine({
        file,
        found: `the value ${fraction}`,
        wanted,
        remedy: "export the labels as whole numbers",
      }),
    );
  }
  if (undeclared.size > 0) {
    const values = [...undeclared.keys()].sort((a, b) => a - b);
    const shown = values.slice(0, MOST_VALUES).join(", ") + (values.length > MOST_VALUES ? ", ..." : "");
    const found = `${values.length === 1 ? "label value" : "label values"} ${shown}`;
    problems.push(
      problemLine({ file, found, wanted, remedy: "declare the labels in dataset.json, or renumber them" }),
    );
  }
  return problems;
}

function valueRange(values: readonly number[]): string {
  return `${values[0]} to ${values.at(-1)}`;
}

function unite(a: Box3 | null, b: Box3 | null): Box3 | null {
  if (!a || !b) return a ?? b;
  const low = (axis: number) => Math.min(a.start[axis], b.start[axis]);
  const high = (axis: number) => Math.max(a.stop[axis], b.stop[axis]);
  return { start: [low(0), low(1), low(2)], stop: [high(0), high(1), high(2)] };
}

/** Indices of the voxels of a box with a label above 0, in C order. */
function foregroundIn(labels: Float32Array, shape: Dims3, { start, stop }: Box3): Uint32Array {
  const visit = (found: (at: number) => void) => {
    for (let z = start[0]; z < stop[0]; z++) {
      for (let y = start[1]; y < stop[1]; y++) {
        const row = (z * shape[1] + y) * shape[2];
        for (let at = row + start[2]; at < row + stop[2]; at++) if (labels[at] > 0) found(at);
      }
    }
  };
  let count = 0;
  visit(() => count++);
  const indices = new Uint32Array(count);
  let to = 0;
  visit((at) => indices[to++] = at);
  return indices;
}
