/**
 * Reading of 3-D images, whatever their format.
 *
 * @module
 */
export { type ImageFormat, type ImageHeader, type ReadImageOptions } from "./image_header.ts";
export { readImage } from "./read_image.ts";
export { readImageHeader } from "./read_image_header.ts";
