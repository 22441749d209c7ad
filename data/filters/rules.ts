import type { Dims3 } from "../volume.ts";
import type { Filters } from "./filter_config.ts";
import { type ImageFacts, weightingGroup } from "./image_facts.ts";

/** Why an image is left out: the rule's name and the values that decided. */
export interface Rejection {
  readonly rule: string;
  readonly reason: string;
}

/** What filters say about one image: the first rule that leaves it out, and what they could not judge. */
export interface FilterResult {
  readonly rejection: Rejection | null;
  readonly warnings: readonly string[];
}

/** What the file itself says. */
export interface FileFacts {
  readonly fileBytes: number;
  /** voxels along z, y, x */
  readonly shape: Dims3;
  /** mm along z, y, x */
  readonly spacing: Dims3;
}

/** Warnings of rules that lack what they ask for; such images are kept. */
export const FILTER_WARNINGS = {
  weighting: "no weighting and no modality to filter by: kept",
  fieldStrength: "no magnetic field strength to filter by: kept",
  imageQuality: "no image-quality score to filter by: kept",
} as const;

/**
 * Applies the rules that need no file: modality, weighting, series description, field strength, image quality.
 *
 * @param score image-quality score, 1 (best) to 5; null when there is none
 */
export function filterByFacts(facts: ImageFacts, score: number | null, filters: Filters): FilterResult {
  const warnings: string[] = [];
  const rejection = modalityRule(facts, filters) ?? weightingRule(facts, filters, warnings) ??
    descriptionRule(facts, filters) ?? fieldStrengthRule(facts, filters, warnings) ??
    qualityRule(facts, score, filters, warnings);
  return { rejection, warnings };
}

function modalityRule({ modality }: ImageFacts, { modalities }: Filters): Rejection | null {
  if (!modalities || modalities.some((name) => name.toLowerCase() === modality.toLowerCase())) return null;
  return { rule: "modality", reason: `modality ${modality}, wanted one of ${modalities.join(", ")}` };
}

function weightingRule(facts: ImageFacts, filters: Filters, warnings: string[]): Rejection | null {
  const { weightings, dropWeightings = [] } = filters;
  const weighting = facts.weighting ?? facts.modality;
  const dropped = dropWeightings.find((text) => weighting.toLowerCase().includes(text.toLowerCase()));
  if (dropped) return { rule: "weighting", reason: `weighting ${weighting}, wanted none with ${dropped}` };
  if (!weightings) return null;
  const group = weightingGroup(facts);
  if (group === null) warnings.push(FILTER_WARNINGS.weighting);
  if (group === null || weightings.includes(group)) return null;
  const reason = `weighting ${weighting} (group ${group}), wanted one of ${weightings.join(", ")}`;
  return { rule: "weighting", reason };
}

function descriptionRule(facts: ImageFacts, { dropSeriesDescriptions = [] }: Filters): Rejection | null {
  const description = facts.seriesDescription?.toLowerCase() ?? "";
  const dropped = dropSeriesDescriptions.find((text) => description.includes(text.toLowerCase()));
  if (!dropped) return null;
  const reason = `series description "${facts.seriesDescription}", wanted none with ${dropped}`;
  return { rule: "series-description", reason };
}

function fieldStrengthRule(facts: ImageFacts, filters: Filters, warnings: string[]): Rejection | null {
  const { minFieldStrength } = filters, { fieldStrength } = facts;
  if (minFieldStrength === undefined) return null;
  if (fieldStrength === null) {
    warnings.push(FILTER_WARNINGS.fieldStrength);
    return null;
  }
  if (fieldStrength >= minFieldStrength) return null;
  return { rule: "field-strength", reason: `${fieldStrength} T, wanted at least ${minFieldStrength} T` };
}

function qualityRule(
  facts: ImageFacts,
  score: number | null,
  { imageQuality }: Filters,
  warnings: string[],
): Rejection | null {
  if (!imageQuality) return null;
  const { threshold, modalities } = imageQuality;
  if (modalities && !modalities.some((name) => name.toLowerCase() === facts.modality.toLowerCase())) {
    return null;
  }
  if (score === null) warnings.push(FILTER_WARNINGS.imageQuality);
  if (score === null || score <= threshold) return null;
  return { rule: "image-quality", reason: `image-quality score ${score}, wanted at most ${threshold}` };
}

/** Applies the rules about the file: size, dimensions, spacing, field of view. */
export function filterByFile(file: FileFacts, filters: Filters): Rejection | null {
  const { fileBytes, shape, spacing } = file;
  const { minFileBytes, threeAxes, minFieldOfViewMm, spacingBelowMm, maxSpacingMm } = filters;
  const mm = (values: readonly number[]) => values.map((value) => Number(value.toPrecision(4))).join(" x ");
  if (minFileBytes !== undefined && fileBytes < minFileBytes) {
    return { rule: "file-size", reason: `a file of ${fileBytes} bytes, wanted at least ${minFileBytes}` };
  }
  if (threeAxes && shape.some((size) => size < 2)) {
    return { rule: "dimensions", reason: `${shape.join(" x ")} voxels, wanted three axes of more than one` };
  }
  const coarse = (limit: string) => ({
    rule: "spacing",
    reason: `spacing ${mm(spacing)} mm, wanted ${limit} mm`,
  });
  if (spacingBelowMm !== undefined && spacing.some((step) => !(step < spacingBelowMm))) {
    return coarse(`less than ${spacingBelowMm}`);
  }
  if (maxSpacingMm !== undefined && spacing.some((step) => !(step <= maxSpacingMm))) {
    return coarse(`at most ${maxSpacingMm}`);
  }
  const field = shape.map((size, axis) => size * spacing[axis]);
  if (minFieldOfViewMm !== undefined && field.some((extent) => !(extent >= minFieldOfViewMm))) {
    const reason = `a field of view of ${mm(field)} mm, wanted at least ${minFieldOfViewMm} mm`;
    return { rule: "field-of-view", reason };
  }
  return null;
}
