/**
 * Finding the images of a data set: BIDS studies, folders of images, lists.
 *
 * @module
 */
export { discover, type DiscoverOptions } from "./discover.ts";
