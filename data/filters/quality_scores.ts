import { z } from "../deps.ts";
import type { PretrainData } from "../pretrain_data.ts";
import type { ImageFacts } from "./image_facts.ts";

const scoresSchema = z.array(z.looseObject({
  modality: z.string(),
  derived_from: z.string().nullable().default(null),
  image_quality_score: z.number(),
}));

/** Image-quality scores of a collection, looked up by data set, modality and the map's origin. */
export class QualityScores {
  readonly #scores = new Map<string, number>();

  /** Reads `dataset_info.image_quality_score` of every data set; entries of another form are passed over. */
  constructor(data: PretrainData) {
    for (const [dataset, { dataset_info }] of Object.entries(data.datasets)) {
      const scores = scoresSchema.safeParse(dataset_info?.image_quality_score);
      for (const { modality, derived_from, image_quality_score } of scores.data ?? []) {
        this.#scores.set(key(dataset, modality, derived_from), image_quality_score);
      }
    }
  }

  /** Score from 1 (best) to 5; null when the data set has none for such images. */
  of(dataset: string, { modality, derivedFrom }: ImageFacts): number | null {
    return this.#scores.get(key(dataset, modality, derivedFrom)) ?? null;
  }
}

function key(dataset: string, modality: string, derivedFrom: string | null): string {
  return JSON.stringify([dataset, modality, derivedFrom]);
}
