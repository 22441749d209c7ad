import type { SliceOriginals, SliceOutputs } from "./slices.ts";
import { paintTile, tileHeight } from "./paint_tile.ts";
import { drawTile, SLICE_COLUMNS, viewsOf, type Window } from "./slice_tiles.ts";

/** What a picture of all planes of one patch shows. */
export interface SlicePicture {
  readonly originals: SliceOriginals;
  readonly outputs: SliceOutputs | null;
  readonly patch: number;
  readonly window: Window;
  readonly onlyHidden: boolean;
  /** Line above the tiles. */
  readonly caption: string;
}

const TILE = 320, GAP = 8, LINE = 24;

/** Draws all views and columns on one canvas with headings, to be kept as PNG. */
export function slicePicture({ caption, ...picture }: SlicePicture): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d")!;
  const rows = viewsOf(picture.originals).map((view) => {
    const tiles = SLICE_COLUMNS.map((column) => drawTile({ ...picture, view, column }));
    return { view, tiles, height: tileHeight(tiles[0]!, TILE) };
  });
  canvas.width = GAP + SLICE_COLUMNS.length * (TILE + GAP);
  canvas.height = 3 * LINE + rows.reduce((sum, row) => sum + row.height + GAP, 0);
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#1b1f24";
  context.font = "16px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.fillText(caption, GAP, LINE / 2, canvas.width - 2 * GAP);
  const { level, width, error } = picture.window;
  const scales =
    `window ${number(level - width / 2)} to ${number(level + width / 2)}, error −${number(error)} ` +
    `(blue) to +${number(error)} (orange), z-score`;
  context.fillText(scales, GAP, 1.5 * LINE, canvas.width - 2 * GAP);
  const left = (column: number) => GAP + column * (TILE + GAP);
  SLICE_COLUMNS.forEach((label, column) => context.fillText(label, left(column), 2.5 * LINE));
  let y = 3 * LINE;
  for (const { view, tiles, height } of rows) {
    tiles.forEach((tile, column) => {
      if (tile) paintTile(context, tile, view, { x: left(column), y, width: TILE, height }, 1.4);
    });
    y += height + GAP;
  }
  return canvas;
}

function number(value: number): string {
  return value.toFixed(2).replace("-", "−");
}
