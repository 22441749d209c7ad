/**
 * From raw images to the store that training reads.
 *
 * @module
 */
export { mergeParts } from "./merge_parts.ts";
export { parsePart, type Part } from "./part.ts";
export type { PreparedDataset, PrepareOptions, PrepareProgress } from "./options.ts";
export { prepareDataset } from "./prepare_dataset.ts";
export { type OpenResampler, serveImages } from "./serve_images.ts";
