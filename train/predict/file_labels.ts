import { type CaseGeometry, fileLines } from "../../data/labelled/case_geometry.ts";
import type { OutputBox } from "./stream_volume.ts";

/**
 * Labels on the grid of a case's file, filled box by box: 0 outside the crop, axes transposed and turned back.
 *
 * Boxes go where they belong at once, so that the map exists once.
 */
export class FileLabels {
  /** `[D, H, W]` in the order of the file. */
  readonly labels: Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;
  readonly #lines: ReturnType<typeof fileLines>;

  /** @param bytes of a label */
  constructor(geometry: CaseGeometry, bytes: 1 | 2) {
    const { shape } = geometry.file;
    const voxels = shape[0] * shape[1] * shape[2];
    this.labels = bytes === 1 ? new Uint8Array(voxels) : new Uint16Array(voxels);
    this.#lines = fileLines(geometry);
  }

  /** Puts a box of the cropped grid in its place. */
  place(
    { start, size: [planes, rows, columns], labels }: Pick<OutputBox, "start" | "size" | "labels">,
  ): void {
    const { first, step: [sz, sy, sx] } = this.#lines, to = this.labels;
    let from = 0;
    for (let z = 0; z < planes; z++) {
      for (let y = 0; y < rows; y++, from += columns) {
        const line = first + (start[0] + z) * sz + (start[1] + y) * sy + start[2] * sx;
        if (sx === 1) to.set(labels.subarray(from, from + columns), line);
        else for (let x = 0; x < columns; x++) to[line + x * sx] = labels[from + x];
      }
    }
  }
}
