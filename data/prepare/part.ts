import { DataError } from "../errors.ts";

/** One of `count` parts of a collection; `index` counts from 0, as Slurm's `--array=0-7` and `seq 0 7` do. */
export interface Part {
  readonly index: number;
  readonly count: number;
}

/**
 * Images of a part: `[index * floor(images / count), (index + 1) * floor(images / count))`, the last part with the remainder.
 *
 * Source: nnssl's split of preprocessing over machines
 */
export function partRange(images: number, { index, count }: Part): readonly [start: number, stop: number] {
  const share = Math.floor(images / count);
  return [index * share, index === count - 1 ? images : (index + 1) * share];
}

/** Reads `i/n`, for example `0/8`. @throws {DataError} unless 0 <= i < n */
export function parsePart(text: string): Part {
  const match = text.match(/^(\d{1,7})\/(\d{1,7})$/);
  const part = { index: Number(match?.[1]), count: Number(match?.[2]) };
  if (match && part.index < part.count) return part;
  throw new DataError({
    file: "the part",
    action: "use",
    found: JSON.stringify(text),
    wanted: "i/n with i from 0 to n-1, for example 0/8",
    remedy: "number array jobs from 0, as --array=0-7 for n = 8",
  });
}
