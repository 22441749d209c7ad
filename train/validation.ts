import { SampleReader } from "../data/load_sample.ts";
import { openStore } from "../data/store.ts";
import { TrivialBaselines } from "./baselines.ts";
import type { RunConfig } from "./config.ts";
import type { ValidationResult } from "./events.ts";
import { type BlockMask, expandMask, sampleRatio, validationBlockMask } from "./mask.ts";
import { reconstructionPicture } from "./picture.ts";
import type { PretrainSession } from "./session.ts";
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
  /** Masked errors of the best constant and of the nearest visible voxel. */
  readonly baselines: Omit<ValidationResult, "valLoss">;
  /** The patch whose centre is nearest to its volume's: the one that pictures show. */
  readonly shownPatch: number;

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
    const shapes = new Map(opened.volumes.map((v) => [v.id, v.shape]));
    let nearestCentre = Infinity;
    let shown = 0;
    this.#masks.forEach((mask, index) => {
      const { patch: target, caseId, start } = this.#reader.read(0, index);
      baselines.add(target, expandMask(mask.kept, mask.grid, patch), patch);
      const shape = shapes.get(caseId)!;
      const off = Math.hypot(...start.map((s, a) => (s + patch[a] / 2 - shape[a] / 2) / shape[a]));
      if (off < nearestCentre) [nearestCentre, shown] = [off, index];
    });
    const { constant, nearest } = baselines.losses();
    this.baselines = { valLossConstant: constant, valLossNearest: nearest };
    this.shownPatch = shown;
  }

  /** Masked squared error over all hidden voxels of all patches, beside the baselines. Stalls on the GPU. */
  async measure(session: PretrainSession): Promise<ValidationResult> {
    const { micro } = this.config.batch;
    let total = 0;
    let hidden = 0;
    for (let start = 0; start < this.#masks.length; start += micro) {
      const masks = this.#masks.slice(start, start + micro);
      const images = masks.map((_, i) => this.#reader.read(0, start + i).patch);
      const { error } = await session.evaluate(concatenate(images), masks, false);
      const weight = masks.reduce((sum, m) => sum + m.kept.length - m.keptCount, 0);
      total += error * weight;
      hidden += weight;
    }
    return { valLoss: total / hidden, ...this.baselines };
  }

  /** Draws the shown patch: PNG bytes. Stalls on the GPU. */
  async picture(session: PretrainSession, caption: string): Promise<Uint8Array<ArrayBuffer>> {
    const { patch, batch } = this.config;
    const { patch: image, caseId } = this.#reader.read(0, this.shownPatch);
    const mask = this.#masks[this.shownPatch];
    const repeat = <T>(value: T) => Array.from({ length: batch.micro }, () => value);
    const { reconstruction } = await session.evaluate(
      concatenate(repeat(image)),
      repeat(mask),
      true,
    );
    using store = openStore(this.store);
    return reconstructionPicture({
      original: image,
      visible: expandMask(mask.kept, mask.grid, patch),
      reconstruction: reconstruction!.subarray(0, image.length),
      shape: patch,
      axes: store.index.orientation ?? undefined,
      caption: `${caseId.split("__").slice(-3).join(" ")}  ${caption}`,
    });
  }

  [Symbol.dispose](): void {
    this.#reader[Symbol.dispose]();
  }
}
