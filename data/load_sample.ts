import { drawPatch } from "./sampler.ts";
import { type DatasetStore, openStore, type Subset } from "./store.ts";
import type { StoreVolume } from "./store_index.ts";
import type { Dims3 } from "./volume.ts";

/** What to draw from a store; plain values, so that it can be posted to a worker. */
export interface SampleSource {
  /** Folder of the store. */
  readonly store: string;
  readonly subset: Subset;
  readonly seed: number;
  readonly cropSize: Dims3;
  readonly finalSize: Dims3;
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

/** Reads samples of one store; a sample depends on the source, the step and its index in the batch only. */
export class SampleReader implements Disposable {
  readonly #store: DatasetStore;
  readonly #source: SampleSource;
  readonly #volumes: readonly StoreVolume[];
  readonly #shapes: readonly Dims3[];

  /** @throws {DataError} when the store cannot be opened; @throws {RangeError} when the subset is empty */
  constructor(source: SampleSource) {
    this.#store = openStore(source.store);
    this.#source = source;
    this.#volumes = this.#store.subset(source.subset);
    this.#shapes = this.#volumes.map(({ shape }) => shape);
  }

  /** Draws and reads one sample. @throws {DataError} when its array is missing or damaged */
  read(step: number, sampleIndex: number): LoadedPatch {
    const { seed, subset, cropSize, finalSize } = this.#source;
    const key = { seed, step, sampleIndex, stream: subset === "train" ? 0 : 1 };
    const { volume, start } = drawPatch(key, this.#shapes, cropSize, finalSize);
    const chosen = this.#volumes[volume];
    const patch = this.#store.readBox(chosen, start, cropSize) as Float32Array<ArrayBuffer>;
    return { step, sampleIndex, caseId: chosen.id, start, patch };
  }

  [Symbol.dispose](): void {
    this.#store.close();
  }
}
