import { drawAnatomyCentre } from "./anatomy_centre.ts";
import { ArrayCache } from "./array_cache.ts";
import { hashRandom } from "./random.ts";
import { centredStart, drawPatch, type SampleKey } from "./sampler.ts";
import { balanceGroups, type Sampling, UNIFORM_SAMPLING } from "./sampling.ts";
import { openStore, type Subset } from "./store.ts";
import type { StoreVolume } from "./store_index.ts";
import type { Dims3 } from "./volume.ts";

/** First key of the random streams that place crops on the anatomy. */
const ANATOMY_STREAM = 0x616e6174;

/** What to draw from a store; plain values, so that it can be posted to a worker. */
export interface SampleSource {
  /** Folder of the store. */
  readonly store: string;
  readonly subset: Subset;
  readonly seed: number;
  readonly cropSize: Dims3;
  readonly finalSize: Dims3;
  /** Uniform over images and positions when left out. */
  readonly sampling?: Sampling;
}

/** One loaded crop. */
export interface LoadedPatch {
  readonly step: number;
  /** Index within the step's batch. */
  readonly sampleIndex: number;
  /** Id of the image: `collection__dataset__subject__session__name`. */
  readonly caseId: string;
  /** First voxel of the crop along z, y, x; negative where the crop begins outside the image. */
  readonly start: Dims3;
  /** `cropSize` in C order, z-scored, 0 outside the image. */
  readonly patch: Float32Array<ArrayBuffer>;
}

/** A drawn sample that has not been read: plain values, so that a worker reads it without the store's index. */
export interface PlannedSample {
  readonly key: SampleKey;
  readonly caseId: string;
  /** Path of the volume relative to the store. */
  readonly path: string;
  /** Path of the anatomy mask on whose voxels the crop is centred; null for a crop at `start`. */
  readonly anatomy: string | null;
  /** First voxel of the crop; of an anatomy-centred one, where it goes when the mask is empty. */
  readonly start: Dims3;
}

/** Draws the samples of a source; a draw takes constant time and depends on the source and its key only. */
export class SamplePlanner {
  readonly #volumes: readonly StoreVolume[];
  readonly #shapes: readonly Dims3[];
  readonly #groups: readonly (readonly number[])[];
  readonly #sampling: Sampling;

  /** @throws {DataError} when the store cannot be opened; @throws {RangeError} when the crop is smaller than the patch */
  constructor(readonly source: SampleSource) {
    using store = openStore(source.store);
    this.#sampling = source.sampling ?? UNIFORM_SAMPLING;
    this.#volumes = store.subset(source.subset);
    this.#shapes = this.#volumes.map(({ shape }) => shape);
    this.#groups = balanceGroups(this.#volumes, this.#sampling.balance);
    if (this.#volumes.length > 0) this.plan(0, 0); // wrong sizes are found here
  }

  /** Number of volumes to draw from. */
  get volumeCount(): number {
    return this.#volumes.length;
  }

  /** Draws one sample. @throws {RangeError} when the subset is empty */
  plan(step: number, sampleIndex: number): PlannedSample {
    const { seed, subset, cropSize, finalSize } = this.source;
    const key = { seed, step, sampleIndex, stream: subset === "train" ? 0 : 1 };
    const { volume, start } = drawPatch(key, this.#shapes, cropSize, finalSize, this.#groups);
    const { id, path, masks } = this.#volumes[volume];
    const anatomy = this.#sampling.centre === "anatomy" ? masks?.anatomy?.path ?? null : null;
    return { key, caseId: id, path, anatomy, start };
  }
}

/** Reads planned samples of a source. */
export class PatchReader implements Disposable {
  readonly #arrays: ArrayCache;

  constructor(readonly source: Pick<SampleSource, "store" | "cropSize" | "finalSize">) {
    this.#arrays = new ArrayCache(source.store);
  }

  /** @throws {DataError} when an array is missing or damaged */
  read({ key, caseId, path, anatomy, start: uniformStart }: PlannedSample): LoadedPatch {
    const { cropSize, finalSize } = this.source;
    const { seed, stream = 0, step, sampleIndex } = key;
    const random = () => hashRandom(seed, ANATOMY_STREAM, stream, step, sampleIndex);
    const centre = anatomy === null ? null : drawAnatomyCentre(random(), this.#arrays.get(anatomy));
    const array = this.#arrays.get(path);
    const start = centre ? centredStart(centre, array.shape, cropSize, finalSize) : uniformStart;
    return { step, sampleIndex, caseId, start, patch: array.readBox(start, cropSize) };
  }

  [Symbol.dispose](): void {
    this.#arrays.close();
  }
}

/** Draws and reads samples of one store on the calling thread. */
export class SampleReader implements Disposable {
  readonly #planner: SamplePlanner;
  readonly #reader: PatchReader;

  /** @throws as `SamplePlanner` */
  constructor(source: SampleSource) {
    this.#planner = new SamplePlanner(source);
    this.#reader = new PatchReader(source);
  }

  /** Draws and reads one sample. @throws {DataError} when its array is missing or damaged; @throws {RangeError} without volumes */
  read(step: number, sampleIndex: number): LoadedPatch {
    return this.#reader.read(this.#planner.plan(step, sampleIndex));
  }

  [Symbol.dispose](): void {
    this.#reader[Symbol.dispose]();
  }
}
