import { defaultMemoryBytes } from "../prepare/estimate_memory.ts";
import { runTasks } from "../task_pool.ts";
import { voxelCount } from "../volume.ts";
import type { LabelledDataset } from "./dataset.ts";
import { DatasetError, problemLine } from "./dataset_error.ts";
import { type CaseFacts, examineCase, type ExamineTask } from "./examine_case.ts";
import type { LabelledFingerprint } from "./fingerprint.ts";
import { type IntensityPool, mergePools, poolStatistics } from "./intensity_pool.ts";
import { median } from "./percentile.ts";
import { readerOrientation } from "./reader_orientation.ts";
import { surveyGrids } from "./survey_grids.ts";

/** How to look into a data set. */
export interface ExamineOptions {
  /** Threads; when left out one per core, or none for little data. 0 works on the calling thread. */
  readonly workers?: number;
  /** Bytes that the cases in work may take together; three quarters of the machine's memory when left out. */
  readonly memoryBytes?: number;
  /** Largest number of bytes of one decompressed file; 4 GiB when left out. */
  readonly maxBytes?: number;
  /** Foreground intensities to draw of every channel, over all cases; 1e8 when left out, as in nnU-Net. */
  readonly intensityDraws?: number;
  readonly onProgress?: (done: number, total: number, id: string) => void;
  /** Stops after the cases in work with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What came out of a data set without problems. */
export interface ExaminedDataset {
  readonly fingerprint: LabelledFingerprint;
  /** Remarks for the user, for example that a case has no foreground. */
  readonly warnings: readonly string[];
}

const INTENSITY_DRAWS = 1e8;
/** Data of fewer voxels is looked into without starting threads. */
const FEW_VOXELS = 1 << 22;
/** float32 copies of a channel at a time, and work for each foreground voxel. */
const BYTES_PER_VOXEL = 24;

/**
 * Reads a whole data set once: checks it and takes its fingerprint. Headers come first, so that grids that do not fit are told within
 * seconds.
 *
 * Checked are: one 3-D volume a file; shape, spacing, origin and direction equal within a case; finite intensities, not zero everywhere;
 * whole label values that dataset.json declares; foreground in some case at least (a case without is a warning).
 *
 * @throws {DatasetError} with a line for each problem
 * @throws the signal's reason
 * Source: `verify_dataset_integrity` and `DatasetFingerprintExtractor` of nnU-Net v2
 */
export async function examineDataset(
  dataset: LabelledDataset,
  options: ExamineOptions = {},
): Promise<ExaminedDataset> {
  const { cases, labels } = dataset;
  const surveyed = await surveyGrids(cases, options);
  throwProblems(surveyed.flatMap(({ problems }) => problems));
  const tasks = cases.map((one, i): ExamineTask => ({
    ...one,
    file: one.images[0],
    memoryBytes: surveyed[i].headers.reduce(
      (sum, { contentBytes, shape }) => sum + contentBytes + BYTES_PER_VOXEL * voxelCount(shape),
      0,
    ),
  }));
  const voxels = surveyed.reduce(
    (sum, { headers }) => sum + headers.length * voxelCount(headers[0].shape),
    0,
  );
  const declared = Array.from({ length: outputValues(dataset) }, (_, value) => value);
  const facts = new Array<CaseFacts>(cases.length);
  const pools = dataset.channelNames.map(() => new PoolSum());
  const problems: { index: number; lines: readonly string[] }[] = [];
  let done = 0;
  await runTasks(tasks, {
    settings: {
      declared,
      ignore: labels.ignore,
      orientation: readerOrientation(dataset.description.overwrite_image_reader_writer),
      draws: Math.floor((options.intensityDraws ?? INTENSITY_DRAWS) / cases.length),
      ...(options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes }),
    },
    workers: options.workers ?? (voxels < FEW_VOXELS ? 0 : navigator.hardwareConcurrency),
    memoryBytes: options.memoryBytes ?? defaultMemoryBytes(),
    url: new URL("./examine_worker.ts", import.meta.url),
    work: examineCase,
    signal: options.signal,
  }, (index, result) => {
    if (result.facts) {
      facts[index] = { ...result.facts, pools: [] };
      result.facts.pools.forEach((pool, channel) => pools[channel].add(pool));
    } else problems.push({ index, lines: result.problems });
    options.onProgress?.(++done, cases.length, cases[index].id);
  });
  throwProblems(problems.sort((a, b) => a.index - b.index).flatMap(({ lines }) => lines));
  const warnings = emptyCases(dataset, facts);
  return { fingerprint: fingerprintOf(facts, pools), warnings };
}

/** Number of values that a label map may hold: 0 to the highest class, and ignore. */
function outputValues({ labels: { foreground, ignore } }: LabelledDataset): number {
  return Math.max(...foreground.flatMap(({ values }) => values), ignore ?? 0) + 1;
}

function throwProblems(problems: readonly string[]): void {
  if (problems.length > 0) throw new DatasetError(problems);
}

/** Warns of cases without foreground. @throws {DatasetError} when all are */
function emptyCases(dataset: LabelledDataset, facts: readonly CaseFacts[]): string[] {
  const empty = dataset.cases.filter((_, i) => !facts[i].annotated);
  const names = dataset.labels.foreground.map(({ name }) => name).join(", ");
  if (empty.length === dataset.cases.length) {
    const found = "no foreground in any label map", wanted = `voxels of ${names}`;
    throwProblems([problemLine({ file: dataset.folder, found, wanted, remedy: "check the label maps" })]);
  }
  return empty.map(({ label }) => `${label} has no foreground (${names}): the case only teaches background`);
}

function fingerprintOf(facts: readonly CaseFacts[], pools: readonly PoolSum[]): LabelledFingerprint {
  return {
    foreground_intensity_properties_per_channel: Object.fromEntries(
      pools.map((pool, channel) => [String(channel), poolStatistics(pool.total())]),
    ),
    median_relative_size_after_cropping: median(
      facts.map(({ shape, shapeAfterCropping }) => voxelCount(shapeAfterCropping) / voxelCount(shape)),
    ),
    shapes_after_crop: facts.map(({ shapeAfterCropping }) => shapeAfterCropping),
    spacings: facts.map(({ spacing }) => spacing),
  };
}

/** Sum of many pools, equal in whatever order they come: merged in pairs of like depth, as a binary counter carries. */
class PoolSum {
  readonly #levels: (IntensityPool | undefined)[] = [];

  add(pool: IntensityPool): void {
    let level = 0, carried = pool;
    for (let held = this.#levels[0]; held !== undefined; held = this.#levels[++level]) {
      carried = mergePools(held, carried);
      this.#levels[level] = undefined;
    }
    this.#levels[level] = carried;
  }

  total(): IntensityPool {
    const empty: IntensityPool = { values: new Float32Array(), counts: new Float64Array() };
    return this.#levels.reduce<IntensityPool>((sum, pool) => pool ? mergePools(sum, pool) : sum, empty);
  }
}
