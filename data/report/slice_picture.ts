import { orientationOf } from "../orientation.ts";
import type { Picture } from "../png.ts";
import type { Affine, Dims3 } from "../volume.ts";

/** A volume of which single slices can be read. */
export interface SliceSource {
  /** Voxels along z, y, x. */
  readonly shape: Dims3;
  /** mm along z, y, x. */
  readonly spacing: Dims3;
  /** Voxel index to world; right, anterior, superior without one. */
  readonly affine?: Affine;
  /** Reads a box, `[size]` in C order. */
  readBox(start: Dims3, size: Dims3): Float32Array;
}

/** Axial, coronal and sagittal: the world axis that is cut (0 right, 1 anterior, 2 superior), and those to the right and up. */
const VIEWS = [
  { cut: 2, right: 0, up: 1 },
  { cut: 1, right: 0, up: 2 },
  { cut: 0, right: 1, up: 2 },
] as const;
const GAP = 2;

/**
 * Draws the middle slices of a volume beside one another, axial, coronal and sagittal, on one grey scale: superior, or else anterior, is up,
 * the subject's right, or else anterior, is on the right. Pixels are square in mm; the longest edge of the volume fills a tile.
 *
 * @param tile edge of a tile in pixels
 * @returns grey, `3 * tile` and two gaps wide, `tile` high
 */
export function slicePicture(source: SliceSource, tile: number): Picture {
  const { axes, signs } = orientationOf(source.affine ?? IDENTITY);
  const arrayAxis = (world: number) => 2 - axes.indexOf(world);
  const backwards = (world: number) => signs[axes.indexOf(world)] < 0;
  const extents = source.shape.map((size, axis) => size * source.spacing[axis]);
  const scale = tile / Math.max(...extents);
  const slices = VIEWS.map(({ cut, right, up }) => {
    const plane = readPlane(source, arrayAxis(cut), arrayAxis(right), arrayAxis(up));
    const width = pixels(extents[arrayAxis(right)] * scale, tile);
    const height = pixels(extents[arrayAxis(up)] * scale, tile);
    const data = resize(plane, width, height, backwards(right), !backwards(up)); // rows of a picture go down
    return { width, height, data };
  });
  const toGrey = greyWindow(slices.map(({ data }) => data));
  const width = 3 * tile + 2 * GAP;
  const picture = new Uint8Array(width * tile);
  slices.forEach((slice, i) => {
    const left = i * (tile + GAP) + Math.floor((tile - slice.width) / 2);
    const top = Math.floor((tile - slice.height) / 2);
    for (let y = 0; y < slice.height; y++) {
      for (let x = 0; x < slice.width; x++) {
        picture[(top + y) * width + left + x] = toGrey(slice.data[y * slice.width + x]);
      }
    }
  });
  return { width, height: tile, channels: 1, data: picture };
}

const IDENTITY: Affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

/** One slice: `at(column, row)` is `data[column * columnStep + row * rowStep]`. */
interface Plane {
  readonly data: Float32Array;
  readonly columns: number;
  readonly rows: number;
  readonly columnStep: number;
  readonly rowStep: number;
}

function readPlane(source: SliceSource, cut: number, right: number, up: number): Plane {
  const start: [number, number, number] = [0, 0, 0];
  const size: [number, number, number] = [...source.shape];
  start[cut] = Math.floor(size[cut] / 2);
  size[cut] = 1;
  const strides = [size[1] * size[2], size[2], 1];
  return {
    data: source.readBox(start, size),
    columns: size[right],
    rows: size[up],
    columnStep: strides[right],
    rowStep: strides[up],
  };
}

function pixels(extent: number, tile: number): number {
  return Math.min(tile, Math.max(1, Math.round(extent)));
}

/** Resizes by the mean over the area of each pixel, first along columns, then along rows; optionally mirrored. */
function resize(plane: Plane, width: number, height: number, flipX: boolean, flipY: boolean): Float32Array {
  const { data, columns, rows, columnStep, rowStep } = plane;
  const across = areaWeights(columns, width, flipX), down = areaWeights(rows, height, flipY);
  const narrow = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (const [column, weight] of across[x]) sum += weight * data[column * columnStep + row * rowStep];
      narrow[row * width + x] = sum;
    }
  }
  const result = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (const [row, weight] of down[y]) {
      for (let x = 0; x < width; x++) result[y * width + x] += weight * narrow[row * width + x];
    }
  }
  return result;
}

/** For every output pixel the inputs that it covers and their shares. */
function areaWeights(
  from: number,
  to: number,
  flip: boolean,
): (readonly [index: number, weight: number])[][] {
  const weights = Array.from({ length: to }, (_, i) => {
    const low = i * from / to, high = (i + 1) * from / to;
    const covered: [number, number][] = [];
    for (let index = Math.floor(low); index < Math.min(from, Math.ceil(high - 1e-9)); index++) {
      covered.push([index, (Math.min(high, index + 1) - Math.max(low, index)) / (high - low)]);
    }
    return covered;
  });
  return flip ? weights.reverse() : weights;
}

/** Maps the 1st to 99.5th percentile of the finite values to 0..255; constant slices become mid-grey. */
function greyWindow(parts: readonly Float32Array[]): (value: number) => number {
  const finite = parts.map((part) => part.filter(Number.isFinite));
  const sorted = new Float32Array(finite.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of finite) {
    sorted.set(part, at);
    at += part.length;
  }
  sorted.sort();
  const percentile = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  const low = percentile(0.01), high = percentile(0.995);
  if (!(high > low)) return () => 128;
  return (value) =>
    Number.isNaN(value) ? 0 : Math.max(0, Math.min(255, Math.round((value - low) / (high - low) * 255)));
}
