import { SampleReader } from "../data/load_sample.ts";
import { openStore } from "../data/store.ts";
import type { Dims3 } from "../data/volume.ts";
import { TrivialBaselines } from "./baselines.ts";
import type { RunConfig } from "./config.ts";
import type { ValidationResult } from "./events.ts";
import { type BlockMask, expandMask, sampleRatio, validationBlockMask } from "./mask.ts";
import { reconstructionPicture } from "./picture.ts";
import type { PretrainSession } from "./session.ts";
import type { FixedPatch } from "./slices.ts";
import { concatenate } from "./training_session.ts";

/** First step number of the ratios of validation masks: beyond any training step. */
const RATIO_STEPS = 2 ** 31;

/**
 * The fixed patches and masks on which a run is judged, and the trivial predictors' errors on the same ones.
 *
 * Patches are read again for every validation, so memory does not grow with their number.
 */
export class Validation implements Disposable {
  readonly #reader: SampleReader;
  readonly #masks: readonly BlockMask[];
  readonly #spacingMm: readonly Dims3[];
  /** Masked errors of the best constant and of the nearest visible voxel. */
  readonly baselines: Omit<ValidationResult, "valLoss">;
  /** Where x, y, z of all volumes point; null where each keeps its own axes. */
  readonly orientation: string | null;
  /**
   * All patches, those most worth a look first: of every volume the one nearest to its centre, then the others; pictures show the
   * very first.
   */
  readonly ranked: readonly number[];

  /**
   * Draws masks and measures the baselines.
   *
   * The number of patches is rounded up to whole micro-batches.
   * @throws {DataError} when the store cannot be read
   */
  constructor(readonly store: string, readonly config: RunConfig) {
    const { patch, batch, seed, mask: { block, ratio } } = config;
    this.#reader = new SampleReader({ store, subset: "val", seed, cropSize: patch, finalSize: patch });
    const count = Math.ceil(config.validation.patches / batch.micro) * batch.micro;
    this.#masks = Array.from(
      { length: count },
      (_, index) =>
        validationBlockMask({
          patch,
          block,
          ratio: sampleRatio(seed, RATIO_STEPS + index, ratio),
          seed,
          index,
        }),
    );
    const baselines = new TrivialBaselines();
    using opened = openStore(store);
    const volumes = new Map(opened.volumes.map((v) => [v.id, v]));
    const drawn = this.#masks.map((mask, index) => {
      const { patch: target, caseId, start } = this.#reader.read(0, index);
      baselines.add(target, expandMask(mask.kept, mask.grid, patch), patch);
      const { shape, spacing } = volumes.get(caseId)!;
      const offCentre = Math.hypot(...start.map((s, a) => (s + patch[a] / 2 - shape[a] / 2) / shape[a]));
      return { index, caseId, spacing, offCentre };
    });
    const { constant, nearest } = baselines.losses();
    this.baselines = { valLossConstant: constant, valLossNearest: nearest };
    this.orientation = opened.index.orientation;
    this.#spacingMm = drawn.map(({ spacing }) => spacing);
    this.ranked = oneOfEachFirst(drawn.toSorted((a, b) => a.offCentre - b.offCentre))
      .map(({ index }) => index);
  }

  /**
   * Masked squared error over all hidden voxels of all patches, beside the baselines. Stalls on the GPU.
   *
   * @param wanted patches whose reconstruction `[D * H * W]` is handed to `onReconstruction`
   */
  async measure(
    session: PretrainSession,
    wanted: readonly number[] = [],
    onReconstruction: (patch: number, values: Float32Array) => void = () => {},
  ): Promise<ValidationResult> {
    const { batch: { micro }, patch: [d, h, w] } = this.config;
    let total = 0;
    let hidden = 0;
    for (let start = 0; start < this.#masks.length; start += micro) {
      const masks = this.#masks.slice(start, start + micro);
      const images = masks.map((_, i) => this.#reader.read(0, start + i).patch);
      const here = wanted.filter((index) => index >= start && index < start + micro);
      const { error, reconstruction } = await session.evaluate(concatenate(images), masks, here.length > 0);
      for (const index of here) {
        const at = (index - start) * d * h * w;
        onReconstruction(index, reconstruction!.subarray(at, at + d * h * w));
      }
      const weight = masks.reduce((sum, m) => sum + m.kept.length - m.keptCount, 0);
      total += error * weight;
      hidden += weight;
    }
    return { valLoss: total / hidden, ...this.baselines };
  }

  /** A patch with its mask. @throws {DataError} when the store cannot be read */
  patch(index: number): FixedPatch {
    const { patch: original, caseId, start } = this.#reader.read(0, index);
    const { kept, grid } = this.#masks[index];
    const visible = expandMask(kept, grid, this.config.patch);
    return { case: caseId, start, spacingMm: this.#spacingMm[index], original, visible };
  }

  /** Draws the first of `ranked` and its reconstruction `[D * H * W]`: PNG bytes. */
  picture(reconstruction: Float32Array, caption: string): Uint8Array<ArrayBuffer> {
    const { case: caseId, original, visible } = this.patch(this.ranked[0]);
    return reconstructionPicture({
      original,
      visible,
      reconstruction,
      shape: this.config.patch,
      axes: this.orientation ?? undefined,
      caption: `${caseId.split("__").slice(-3).join(" ")}  ${caption}`,
    });
  }

  [Symbol.dispose](): void {
    this.#reader[Symbol.dispose]();
  }
}

/** The first patch of every volume, then the others, both in the given order. */
function oneOfEachFirst<P extends { readonly caseId: string }>(patches: readonly P[]): P[] {
  const seen = new Set<string>();
  const { first = [], others = [] } = Object.groupBy(patches, ({ caseId }) => {
    const others = seen.has(caseId);
    seen.add(caseId);
    return others ? "others" : "first";
  });
  return [...first, ...others];
}
