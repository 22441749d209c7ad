import type { Dims3 } from "../../data/volume.ts";
import { indexAlong, type PatchView, patchViews } from "../../data/patch_views.ts";
import type { PlaneStack, SliceOriginals, SliceOutputs } from "./slices.ts";

/** Columns of the slice viewer, from left to right. */
export const SLICE_COLUMNS = ["original", "masked", "reconstruction", "error"] as const;
/** One of {@linkcode SLICE_COLUMNS}. */
export type SliceColumn = (typeof SLICE_COLUMNS)[number];

/** How values become colours; intensities are z-scores. */
export interface Window {
  /** Shown in the middle of black and white. */
  readonly level: number;
  /** Distance of white from black. */
  readonly width: number;
  /** Error that has the full colour. */
  readonly error: number;
}

/** What a tile shows. */
export interface TileRequest {
  readonly originals: SliceOriginals;
  /** Null before the first validation: its columns stay empty. */
  readonly outputs: SliceOutputs | null;
  readonly patch: number;
  readonly view: PatchView;
  readonly column: SliceColumn;
  readonly window: Window;
  /** Original and no error where the network could see the voxel; else the raw output everywhere. */
  readonly onlyHidden: boolean;
}

/** Pixels as they stand on the screen, one a voxel. */
export interface Tile {
  readonly width: number;
  readonly height: number;
  /** Size of a pixel in mm. */
  readonly pixelMm: readonly [horizontal: number, vertical: number];
  /** Red, green, blue, alpha. */
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
}

/** Dark blue: no grey of the image can be mistaken for it. */
const HIDDEN = [38, 52, 96] as const;
/** Ends of the error scale (sky blue and orange of Okabe and Ito 2008), told apart with every common colour blindness. */
const BELOW = [86, 180, 233] as const, ABOVE = [230, 159, 0] as const;

/** Views of the patches, right, anterior, superior where the volumes have axes of their own. */
export function viewsOf({ orientation }: Pick<SliceOriginals, "orientation">): PatchView[] {
  return patchViews(orientation ?? "RAS");
}

/** Colour of an error: blue below 0, black at 0, orange above; full at `scale` and beyond. */
export function errorColour(error: number, scale: number): readonly [number, number, number] {
  const share = Math.min(1, Math.abs(error) / scale) || 0;
  const [r, g, b] = error < 0 ? BELOW : ABOVE;
  return [share * r, share * g, share * b];
}

/**
 * Draws one plane of one patch; null where there is nothing to draw yet.
 *
 * Superior, or else anterior, is up; the subject's right, or else anterior, is on the right.
 */
export function drawTile(request: TileRequest): Tile | null {
  const { originals, outputs, patch, view: { cut, up, right }, column, window, onlyHidden } = request;
  const raw = outputs?.reconstruction[cut];
  const needsOutput = column === "reconstruction" || column === "error";
  if (needsOutput && (raw === undefined || patch >= raw.patches)) return null;
  const { shape } = originals;
  const width = shape[right.axis], height = shape[up.axis];
  const rgba = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let y = 0; y < height; y++) {
    const v = indexAlong(up, height - 1 - y, shape);
    for (let x = 0; x < width; x++) {
      const u = indexAlong(right, x, shape);
      const [row, line] = up.axis < right.axis ? [v, u] : [u, v];
      const at = (stack: PlaneStack) => stack.values[(patch * stack.rows + row) * stack.columns + line];
      const original = at(originals.original[cut]);
      const seen = at(originals.visible[cut]) === 1;
      const output = needsOutput ? (seen && onlyHidden ? original : at(raw!)) : original;
      rgba.set(
        column === "error"
          ? errorColour(output - original, window.error)
          : column === "masked" && !seen
          ? HIDDEN
          : grey(output, window),
        4 * (y * width + x),
      );
    }
  }
  const spacing: Dims3 = originals.patches[patch].spacingMm;
  return { width, height, pixelMm: [spacing[right.axis], spacing[up.axis]], rgba };
}

function grey(value: number, { level, width }: Window): readonly [number, number, number] {
  const shade = 255 * ((value - level) / width + 0.5);
  return [shade, shade, shade];
}

/** The longest of 1, 2, 5, 10, ... mm that takes at most a third of a width. */
export function scaleBarMm(widthMm: number): number {
  const power = 10 ** Math.floor(Math.log10(widthMm / 3));
  return [5, 2, 1].map((digit) => digit * power).find((length) => length <= widthMm / 3 * (1 + 1e-9)) ??
    power;
}
