/** Which images of a collection to keep: rules as configuration, each with a name and a reason. */
export { type Filters, filtersSchema, loadFilters, parseFilters } from "./filter_config.ts";
export { FILTER_PRESETS } from "./presets.ts";
export { findDuplicates } from "./duplicates.ts";
export {
  type ImageFacts,
  imageFacts,
  WEIGHTING_GROUPS,
  type WeightingGroup,
  weightingGroup,
} from "./image_facts.ts";
export { QualityScores } from "./quality_scores.ts";
export { type FileFacts, filterByFacts, filterByFile, type FilterResult, type Rejection } from "./rules.ts";
