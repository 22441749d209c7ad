import type { PatchView } from "../../data/patch_views.ts";
import { scaleBarMm, type Tile } from "./slice_tiles.ts";

/** A rectangle of a canvas in its pixels. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Height of a tile that is drawn `width` wide with voxels in the right proportion. */
export function tileHeight({ width, height, pixelMm }: Tile, shown: number): number {
  return Math.max(1, Math.round(shown * height * pixelMm[1] / (width * pixelMm[0])));
}

/**
 * Paints a tile with its orientation letters and a scale in mm.
 *
 * @param scale device pixels of one CSS pixel: the size of text and lines
 */
export function paintTile(
  context: CanvasRenderingContext2D,
  tile: Tile,
  view: PatchView,
  box: Box,
  scale: number,
): void {
  const voxels = document.createElement("canvas");
  voxels.width = tile.width;
  voxels.height = tile.height;
  voxels.getContext("2d")!.putImageData(new ImageData(tile.rgba, tile.width, tile.height), 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(voxels, box.x, box.y, box.width, box.height);
  context.save();
  context.font = `600 ${11 * scale}px system-ui, sans-serif`;
  context.strokeStyle = "#000";
  context.fillStyle = "#fff";
  context.lineWidth = 3 * scale;
  context.lineJoin = "round";
  const text = (
    value: string,
    x: number,
    y: number,
    align: CanvasTextAlign,
    baseline: CanvasTextBaseline,
  ) => {
    context.textAlign = align;
    context.textBaseline = baseline;
    context.strokeText(value, x, y);
    context.fillText(value, x, y);
  };
  const edge = 3 * scale, { x, y, width, height } = box;
  const [left, right] = view.right.ends, [bottom, top] = view.up.ends;
  text(left, x + edge, y + height / 2, "left", "middle");
  text(right, x + width - edge, y + height / 2, "right", "middle");
  text(top, x + width / 2, y + edge, "center", "top");
  text(bottom, x + width / 2, y + height - edge, "center", "bottom");
  const mm = scaleBarMm(tile.width * tile.pixelMm[0]);
  const length = mm / (tile.width * tile.pixelMm[0]) * width;
  const barY = y + height - 2 * edge;
  for (const [style, thickness] of [["#000", 4], ["#fff", 2]] as const) {
    context.strokeStyle = style;
    context.lineWidth = thickness * scale;
    context.beginPath();
    context.moveTo(x + 2 * edge, barY);
    context.lineTo(x + 2 * edge + length, barY);
    context.stroke();
  }
  context.strokeStyle = "#000";
  context.lineWidth = 3 * scale;
  text(`${mm} mm`, x + 2 * edge, barY - edge, "left", "bottom");
  context.restore();
}
