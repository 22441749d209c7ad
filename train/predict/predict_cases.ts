import { makeFolder, writeJsonAtomic } from "../../data/atomic.ts";
import { DataError } from "../../data/errors.ts";
import { openGpu } from "../../kernels/runtime/device.ts";
import type { FinetunedModel } from "../finetune/checkpoint.ts";
import { resolvePrecision } from "../precision.ts";
import { caseBytes } from "./case_bytes.ts";
import { CasePool } from "./case_pool.ts";
import type { ReadCase } from "./case_worker.ts";
import { labelDecision, mirroredAxes, requireEnsemble } from "./ensemble.ts";
import { PredictionError } from "./errors.ts";
import { FileLabels } from "./file_labels.ts";
import { MemoryGate, type MemoryShare } from "./memory_gate.ts";
import { ProbabilitiesFile } from "./probabilities_file.ts";
import { streamVolume } from "./stream_volume.ts";
import type {
  PredictCasesOptions,
  PredictedCase,
  PredictionCase,
  PredictionProgress,
  PredictionSummary,
} from "./types.ts";
import { WindowNetwork } from "./window_network.ts";

/** Scans in work, unless a caller says otherwise: one is read, one computed, one written. */
const JOBS = 3;
/** Host memory of scans in work, bytes, unless a caller says otherwise. */
const MEMORY_BYTES = 6 * 2 ** 30;

/**
 * Segments scans and writes them as `<id>.nii.gz` with the geometry of their files, and `prediction.json` beside them.
 *
 * Threads read and preprocess the next scans and write the last ones while the GPU computes one; how many are in work, and how windows
 * are queued, changes no byte. A scan that cannot be used is reported, and the others go on.
 *
 * @throws {PredictionError} when the models do not belong together, there is nothing to do, or a segmentation would replace a scan
 * @throws {ConfigError | LimitError} when network or volumes do not fit the adapter
 * @throws {DeviceError} without adapter or memory, or when the device fails
 * @throws {DataError} when the folder cannot be written
 */
export async function predictCases(options: PredictCasesOptions): Promise<PredictionSummary> {
  const model = requireEnsemble(options.models);
  requireCases(options.cases);
  await makeFolder(options.out);
  await requireOtherFiles(options);
  using gpu = await openGpu({ adapter: options.adapter });
  const { precision } = resolvePrecision({ precision: options.precision ?? "auto" }, gpu.facts);
  using network = await WindowNetwork.create(gpu, {
    network: model.network,
    patch: model.config.patch,
    folds: options.models.map(({ weights }) => weights),
    precision,
  });
  using pool = new CasePool();
  const run = new PredictionRun(options, model, network, pool);
  const { cases, failed } = await run.all();
  await writeJsonAtomic(`${options.out}/prediction.json`, {
    models: options.models.map(({ path }) => path),
    adapter: gpu.facts.adapter,
    precision,
    step: run.step,
    mirrored_axes: run.mirrorAxes,
    cases: cases.map(({ id }) => id),
    failed,
  });
  return { out: options.out, cases, failed };
}

/** @throws {PredictionError} when there is no case, or two of one name */
function requireCases(cases: readonly PredictionCase[]): void {
  if (cases.length === 0) {
    throw new PredictionError("Cannot predict: found no scans, wanted at least one: name a folder of images");
  }
  const ids = new Set<string>();
  for (const { id } of cases) {
    if (ids.has(id)) {
      throw new PredictionError(`Cannot predict: found two scans named ${id}: give them different names`);
    }
    ids.add(id);
  }
}

/** @throws {PredictionError} when a segmentation would replace a scan */
async function requireOtherFiles(
  { cases, out }: Pick<PredictCasesOptions, "cases" | "out">,
): Promise<void> {
  const place = (path: string) => Deno.realPath(path).catch(() => null);
  const scans = new Set(await Promise.all(cases.flatMap(({ images }) => images).map(place)));
  for (const { id } of cases) {
    const path = segmentationPath(out, id);
    const found = await place(path);
    if (found === null || !scans.has(found)) continue;
    throw new PredictionError(
      `Cannot write ${path}: found a scan to be segmented there, wanted another place: choose another folder`,
    );
  }
}

function segmentationPath(out: string, id: string): string {
  return `${out}/${id}.nii.gz`;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** A scan that a thread has read. */
interface Arrived {
  readonly read: ReadCase;
  readonly share: MemoryShare;
}

class PredictionRun {
  readonly step: number;
  readonly mirrorAxes: readonly number[];
  readonly #gate: MemoryGate;
  readonly #done: PredictedCase[] = [];
  readonly #failed: { id: string; message: string }[] = [];
  /** What ends the whole run. */
  #fault: { readonly error: unknown } | null = null;

  constructor(
    readonly options: PredictCasesOptions,
    readonly model: FinetunedModel,
    readonly network: WindowNetwork,
    readonly pool: CasePool,
  ) {
    this.step = options.step ?? 0.5;
    this.mirrorAxes = options.mirror ?? true ? mirroredAxes(model) : [];
    this.#gate = new MemoryGate(options.memoryBytes ?? MEMORY_BYTES);
  }

  /** All cases in order: at most `jobs` between the start of reading and the end of writing. */
  async all(): Promise<Pick<PredictionSummary, "cases" | "failed">> {
    const { cases, jobs = JOBS, signal } = this.options;
    const arriving: Promise<Arrived | null>[] = [];
    const leaving = new Set<Promise<void>>();
    try {
      for (let next = 0, current = 0; current < cases.length; current++) {
        while (leaving.size >= jobs) await Promise.race(leaving);
        while (next < cases.length && next - current + leaving.size < jobs) {
          const read = this.#read(cases[next++]);
          read.catch(() => {}); // until its turn has come
          arriving.push(read);
        }
        signal?.throwIfAborted();
        const arrived = await arriving.shift()!;
        const segmented = arrived && await this.#segment(cases[current], arrived);
        if (!segmented) continue;
        const left: Promise<void> = segmented.written.catch((error) => {
          this.#fault ??= { error };
        }).finally(() => leaving.delete(left));
        leaving.add(left);
        if (this.#fault) break;
      }
    } catch (error) {
      this.#fault ??= { error };
    }
    // nothing may be under way when the threads end
    const drop = (arrived: Arrived | null) => arrived?.share[Symbol.dispose]();
    await Promise.all([...leaving, ...arriving.map((read) => read.then(drop, () => {}))]);
    if (this.#fault) throw this.#fault.error;
    const order = new Map(cases.map(({ id }, i) => [id, i]));
    const inOrder = (a: { id: string }, b: { id: string }) => order.get(a.id)! - order.get(b.id)!;
    return { cases: this.#done.sort(inOrder), failed: this.#failed.sort(inOrder) };
  }

  /** @returns null for a scan that cannot be used */
  async #read({ id, images }: PredictionCase): Promise<Arrived | null> {
    const { plans, configuration } = this.model;
    let share: MemoryShare | undefined;
    try {
      share = await this.#gate.enter(() => caseBytes(images, this.model));
      if (this.#fault) throw this.#fault.error;
      const read = await this.pool.read({ images, plans, configuration });
      share.hold(read.image.byteLength);
      this.#report({ kind: "read", id });
      return { read, share };
    } catch (error) {
      share?.[Symbol.dispose]();
      this.#fail(id, error);
      return null;
    }
  }

  /** Computes a scan. @returns the writing of it, under way; null when it cannot be segmented */
  async #segment(
    { id }: PredictionCase,
    { read, share }: Arrived,
  ): Promise<{ readonly written: Promise<void> } | null> {
    const started = performance.now();
    const { image, geometry } = read;
    try {
      const decision = labelDecision(this.model.labels, this.options.saveProbabilities ?? false);
      const map = new FileLabels(geometry, decision.bytes);
      share.hold(image.byteLength + map.labels.byteLength);
      await using probabilities = decision.samples === null
        ? null
        : await ProbabilitiesFile.create(`${this.options.out}/${id}.safetensors`, geometry, this.#classes());
      const windows = await streamVolume(this.network, {
        image,
        shape: geometry.shape,
        target: {
          shape: geometry.shapeAfterCropping,
          spacing: geometry.spacing,
          newSpacing: geometry.spacingBeforeResampling,
          options: logitOptions(this.model),
        },
        labels: decision,
        step: this.step,
        mirrorAxes: this.mirrorAxes,
        memoryBytes: this.options.gpuMemoryBytes,
        windowBatch: this.options.windowBatch,
        signal: this.options.signal,
        onWindow: (done, total) => this.#report({ kind: "window", id, done, total }),
        onBox: async (box) => {
          map.place(box);
          await probabilities?.put(box);
        },
      });
      await probabilities?.finish();
      const { shape, spacing } = geometry.file;
      await this.options.postprocess?.({ id, labels: map.labels, shape, spacing });
      share.hold(2 * map.labels.byteLength);
      return { written: this.#write(id, map, read, { windows, started, share }) };
    } catch (error) {
      share[Symbol.dispose]();
      this.#fail(id, error);
      return null;
    }
  }

  async #write(
    id: string,
    { labels }: FileLabels,
    { geometry: { file } }: ReadCase,
    { windows, started, share }: { windows: number; started: number; share: MemoryShare },
  ): Promise<void> {
    const path = segmentationPath(this.options.out, id);
    try {
      await this.pool.write({ path, labels, grid: file });
    } finally {
      share[Symbol.dispose]();
    }
    const seconds = (performance.now() - started) / 1000;
    this.#done.push({ id, path, shape: file.shape, windows, seconds });
    this.#report({ kind: "written", id });
  }

  #classes(): readonly string[] {
    const { kind, foreground } = this.model.labels;
    return [...(kind === "labels" ? ["background"] : []), ...foreground.map(({ name }) => name)];
  }

  /** Notes a scan that cannot be segmented. @throws the error itself when it concerns all scans */
  #fail(id: string, error: unknown): void {
    if (!(error instanceof DataError || error instanceof PredictionError)) throw error;
    const path = segmentationPath(this.options.out, id);
    const older = isFile(path) ? `; ${path} is of an earlier call` : "";
    const message = `${error.message}${older}`;
    this.#failed.push({ id, message });
    this.#report({ kind: "failed", id, message });
  }

  #report(progress: Omit<PredictionProgress, "finished" | "cases">): void {
    const finished = this.#done.length + this.#failed.length;
    this.options.onProgress?.({ ...progress, finished, cases: this.options.cases.length });
  }
}

/** The plan's way to resample logits. @throws {PredictionError} for an order other than 0 and 1 */
function logitOptions({ configuration: { resampling_fn_probabilities_kwargs: given } }: FinetunedModel) {
  const { order, order_z: orderZ, force_separate_z: forceSeparateZ } = given;
  if ((order !== 0 && order !== 1) || (orderZ !== 0 && orderZ !== 1)) {
    throw new PredictionError(
      `Cannot resample logits by orders ${order} and ${orderZ} along thick slices, wanted 0 or 1: change the plan`,
    );
  }
  return { order, orderZ, forceSeparateZ } as const;
}
