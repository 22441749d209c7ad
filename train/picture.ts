import { indexAlong, intensityWindow, type PatchView, patchViews } from "../data/patch_views.ts";
import { encodePng, type Picture } from "../data/png.ts";
import type { Dims3 } from "../data/volume.ts";
import { drawText, FONT_HEIGHT, FONT_WIDTH } from "./bitmap_font.ts";

/** What a reconstruction picture shows; all arrays `[D * H * W]`, z slowest, intensities of any one scale. */
export interface ReconstructionPicture {
  readonly original: ArrayLike<number>;
  /** 1 = visible, 0 = hidden: the block mask expanded to voxels */
  readonly visible: ArrayLike<number>;
  /** raw output of the network, visible places included */
  readonly reconstruction: ArrayLike<number>;
  readonly shape: Dims3;
  /** where x, y, z (the last, middle and first array axis) point, three letters as from `axisCodes`; default "RAS" */
  readonly axes?: string;
  /** slice index along D, H, W; default the middle */
  readonly slices?: Dims3;
  /** a line below the tiles, for example "sub-05 step 400, masked mse 0.31" */
  readonly caption?: string;
}

const TILE_PIXELS = 192;
const GAP = 4;
const HIDDEN_COLOUR = [38, 52, 96] as const; // dark blue, no grey of the image can be mistaken for it
const COLUMNS = ["original", "masked", "reconstruction", "visible + reconstruction"] as const;

/**
 * Draws a patch as PNG: rows axial, coronal, sagittal; columns original, masked, raw network output, and the output in
 * the hidden places with the original elsewhere.
 *
 * All tiles share one grey window, the 1st to 99th percentile of the original, so brightness can be compared. Superior,
 * or else anterior, is up; the subject's right, or else anterior, is on the right.
 *
 * @returns PNG bytes, RGB
 * @throws {RangeError} if an array does not fill the shape, a slice lies outside, or `axes` is no orientation
 */
export function reconstructionPicture(input: ReconstructionPicture): Uint8Array<ArrayBuffer> {
  const { original, visible, reconstruction, shape, caption } = input;
  const voxels = shape[0] * shape[1] * shape[2];
  for (const [name, values] of Object.entries({ original, visible, reconstruction })) {
    if (values.length !== voxels) {
      throw new RangeError(
        `Cannot draw ${name}: found ${values.length} voxels, shape ${shape.join("x")} has ${voxels}`,
      );
    }
  }
  const slices = input.slices ?? shape.map((n) => Math.floor(n / 2)) as unknown as Dims3;
  if (!slices.every((index, axis) => index >= 0 && index < shape[axis])) {
    throw new RangeError(`Cannot draw slices ${slices.join(", ")}: the shape is ${shape.join("x")}`);
  }
  const views = patchViews(input.axes ?? "RAS");
  const toGrey = greyWindow(original);
  const zoom = Math.max(1, Math.ceil(TILE_PIXELS / Math.max(...shape)));
  const canvas = layout(shape, views, zoom, caption !== undefined);
  const paint = (index: number, column: number): readonly [number, number, number] => {
    if (column === 1 && visible[index] === 0) return HIDDEN_COLOUR;
    const fromNetwork = column === 2 || (column === 3 && visible[index] === 0);
    const grey = toGrey(fromNetwork ? reconstruction[index] : original[index]);
    return [grey, grey, grey];
  };
  for (const [row, { label, cut, up, right }] of views.entries()) {
    const strides = [shape[1] * shape[2], shape[2], 1];
    drawText(canvas.picture, label, GAP, canvas.rowTops[row] + 2, 230);
    for (let column = 0; column < COLUMNS.length; column++) {
      const left = canvas.left + column * canvas.columnWidth, top = canvas.rowTops[row];
      for (let y = 0; y < shape[up.axis] * zoom; y++) {
        const v = indexAlong(up, shape[up.axis] - 1 - Math.floor(y / zoom), shape);
        for (let x = 0; x < shape[right.axis] * zoom; x++) {
          const u = indexAlong(right, Math.floor(x / zoom), shape);
          const index = slices[cut] * strides[cut] + v * strides[up.axis] + u * strides[right.axis];
          canvas.picture.data.set(paint(index, column), 3 * ((top + y) * canvas.picture.width + left + x));
        }
      }
    }
  }
  for (const [column, label] of COLUMNS.entries()) {
    drawText(canvas.picture, label, canvas.left + column * canvas.columnWidth, GAP, 230);
  }
  if (caption !== undefined) {
    drawText(canvas.picture, caption, canvas.left, canvas.picture.height - FONT_HEIGHT - GAP, 180);
  }
  return encodePng(canvas.picture);
}

interface Layout {
  readonly picture: Picture;
  readonly left: number;
  readonly columnWidth: number;
  readonly rowTops: readonly number[];
}

function layout(shape: Dims3, views: readonly PatchView[], zoom: number, caption: boolean): Layout {
  const left = 2 * GAP + Math.max(...views.map(({ label }) => label.length)) * FONT_WIDTH;
  const labelWidth = Math.max(...COLUMNS.map((label) => label.length)) * FONT_WIDTH;
  const columnWidth = Math.max(...views.map(({ right }) => shape[right.axis] * zoom), labelWidth) + GAP;
  const rowTops: number[] = [];
  let top = 2 * GAP + FONT_HEIGHT;
  for (const { up } of views) {
    rowTops.push(top);
    top += shape[up.axis] * zoom + GAP;
  }
  const width = left + COLUMNS.length * columnWidth;
  const height = top + (caption ? FONT_HEIGHT + GAP : 0);
  return {
    picture: { width, height, channels: 3, data: new Uint8Array(3 * width * height) },
    left,
    columnWidth,
    rowTops,
  };
}

/** Maps the window of the values to 0..255; a constant image becomes mid-grey. */
function greyWindow(values: ArrayLike<number>): (value: number) => number {
  const [low, high] = intensityWindow(values);
  if (!(high > low)) return () => 128;
  return (value) => Math.max(0, Math.min(255, Math.round((value - low) / (high - low) * 255)));
}
