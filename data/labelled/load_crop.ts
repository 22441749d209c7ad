import { ArrayCache } from "../array_cache.ts";
import { hashRandom } from "../random.ts";
import { roundHalfToEven } from "../resample.ts";
import { centredStart, drawPatch } from "../sampler.ts";
import type { Dims3 } from "../volume.ts";
import { readClassLocation } from "./class_locations.ts";
import type { LabelledCase } from "./labelled_index.ts";
import { openLabelledStore, readCaseBox } from "./store.ts";

/** First key of the random streams that choose a class and one of its voxels. */
const CLASS_STREAM = 0x636c6173;

/** Where a worker reads crops; plain values. */
export interface CropSource {
  /** Folder of the store. */
  readonly store: string;
  readonly cropSize: Dims3;
  readonly finalSize: Dims3;
}

/** What to draw from a labelled store. */
export interface CropDraw extends CropSource {
  /** Ids of the cases, each equally likely. */
  readonly cases: readonly string[];
  readonly seed: number;
  /** Separates sequences of one seed. */
  readonly stream: number;
  readonly batchSize: number;
  /** Part of a batch that is centred on the foreground. */
  readonly oversample: number;
}

/** One loaded crop of a case. */
export interface LoadedCrop {
  readonly step: number;
  /** Index within the step's batch. */
  readonly sampleIndex: number;
  readonly caseId: string;
  /** First voxel of the crop along the array axes; negative where the crop begins outside the case. */
  readonly start: Dims3;
  /** `[C, ...cropSize]`, normalised, 0 outside the case. */
  readonly image: Float32Array<ArrayBuffer>;
  /** `[...cropSize]`, -1 outside the non-zero mask and outside the case. */
  readonly label: Float32Array<ArrayBuffer>;
}

/** A drawn crop that has not been read: plain values, so that a worker reads it without the store's index. */
export interface PlannedCrop extends Pick<LoadedCrop, "step" | "sampleIndex" | "caseId"> {
  /** Paths of the case's arrays below the store. */
  readonly channels: readonly string[];
  readonly label: string;
  readonly shape: Dims3;
  /** Drawn voxel on which the crop is centred: file, list in it, index in the list; null for a crop at `start`. */
  readonly centre: { readonly path: string; readonly list: number; readonly rank: number } | null;
  readonly start: Dims3;
}

/**
 * Draws crops: a case uniformly with replacement, then a position. The last `batchSize - round(batchSize * (1 - oversample))` elements of a batch
 * (half to even) are centred, as far as the range of positions allows, on a drawn voxel of a class that is drawn among those present
 * in the case; without foreground, and for the other elements, the position is uniform. With an ignore label, the other elements are
 * centred on an annotated voxel instead.
 *
 * A draw takes constant time and depends on the source, stream, step and index alone.
 *
 * Source: `nnUNetDataLoader.get_bbox` of nnU-Net v2, which clamps at the lower end only
 */
export class CropPlanner {
  readonly #cases: readonly LabelledCase[];
  readonly #shapes: readonly Dims3[];
  /** List of annotated voxels in the files of locations; null without an ignore label. */
  readonly #annotated: number | null;
  readonly #firstForced: number;

  /**
   * @throws {DataError} when the store cannot be opened or a case is unknown
   * @throws {RangeError} without cases, for a crop smaller than the patch, or an `oversample` outside [0, 1]
   */
  constructor(readonly draw: CropDraw) {
    using store = openLabelledStore(draw.store);
    const { classes, ignore } = store.index;
    this.#cases = draw.cases.map((id) => store.case(id));
    this.#shapes = this.#cases.map(({ shape }) => shape);
    this.#annotated = ignore === null ? null : classes.length;
    if (!(draw.oversample >= 0 && draw.oversample <= 1)) {
      throw new RangeError(
        `Cannot draw crops: found oversample ${draw.oversample}, wanted a number from 0 to 1`,
      );
    }
    this.#firstForced = roundHalfToEven(draw.batchSize * (1 - draw.oversample));
    this.plan(0, 0); // wrong sizes are found here
  }

  plan(step: number, sampleIndex: number): PlannedCrop {
    const { seed, stream, cropSize, finalSize } = this.draw;
    const { volume, start } = drawPatch(
      { seed, stream, step, sampleIndex },
      this.#shapes,
      cropSize,
      finalSize,
    );
    const { id, shape, channels, label, locations, drawn } = this.#cases[volume];
    const random = hashRandom(seed, CLASS_STREAM, stream, step, sampleIndex);
    const forced = sampleIndex >= this.#firstForced;
    const present = forced
      ? drawn.flatMap((n, list) => (n > 0 && list !== this.#annotated ? [list] : []))
      : [];
    const list = present.length > 0 ? present[random.int(0, present.length - 1)] : this.#annotated;
    const centre = list === null || drawn[list] === 0
      ? null
      : { path: locations.path, list, rank: random.int(0, drawn[list] - 1) };
    const paths = { channels: channels.map(({ path }) => path), label: label.path };
    return { step, sampleIndex, caseId: id, ...paths, shape, centre, start };
  }
}

/** Reads planned crops of a store. */
export class CropReader implements Disposable {
  readonly #arrays: ArrayCache;

  constructor(readonly source: CropSource) {
    this.#arrays = new ArrayCache(source.store);
  }

  /** @throws {DataError} when an array or the drawn voxels are missing or damaged */
  read(planned: PlannedCrop): LoadedCrop {
    const { step, sampleIndex, caseId, centre, shape } = planned;
    const { store, cropSize, finalSize } = this.source;
    const start = centre
      ? centredStart(
        readClassLocation(`${store}/${centre.path}`, centre.list, centre.rank),
        shape,
        cropSize,
        finalSize,
      )
      : planned.start;
    return { step, sampleIndex, caseId, start, ...readCaseBox(this.#arrays, planned, start, cropSize) };
  }

  [Symbol.dispose](): void {
    this.#arrays.close();
  }
}
