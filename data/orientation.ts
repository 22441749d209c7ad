import { type Affine, columnNorms, type Dims3, makeVolume, multiplyAffine, type Volume } from "./volume.ts";

const AXIS_LETTERS = ["LR", "PA", "IS"] as const;
const PERMUTATIONS = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] as const;

/** World axis (0 left-right, 1 posterior-anterior, 2 inferior-superior) and sign of each index axis x, y, z. */
export interface Orientation {
  readonly axes: readonly [number, number, number];
  readonly signs: readonly [number, number, number];
}

/** Assigns a world axis to every index axis so that the sum of |cosines| is largest; oblique and sheared grids get the nearest axes. */
export function orientationOf(affine: Affine): Orientation {
  const norms = columnNorms(affine);
  const cosine = (world: number, index: number) => affine[4 * world + index] / norms[index];
  let best: readonly [number, number, number] = PERMUTATIONS[0];
  let bestScore = -1;
  for (const candidate of PERMUTATIONS) {
    const score = candidate.reduce<number>((sum, world, index) => sum + Math.abs(cosine(world, index)), 0);
    if (score > bestScore + 1e-9) [best, bestScore] = [candidate, score];
  }
  const sign = (index: number) => (cosine(best[index], index) < 0 ? -1 : 1);
  return { axes: best, signs: [sign(0), sign(1), sign(2)] };
}

/** Letters towards which the index axes x, y, z of a volume increase, for example "RAS" or "LIA". */
export function axisCodes(affine: Affine): string {
  const { axes, signs } = orientationOf(affine);
  return axes.map((world, index) => AXIS_LETTERS[world][signs[index] < 0 ? 0 : 1]).join("");
}

function parseAxisCode(code: string): Orientation {
  const letters = [...code.toUpperCase()];
  const axes = letters.map((letter) => AXIS_LETTERS.findIndex((pair) => pair.includes(letter)));
  if (letters.length !== 3 || [...axes].sort().join() !== "0,1,2") {
    throw new RangeError(
      `Cannot reorient: found axis code "${code}", wanted one letter each of L/R, P/A and I/S, as in "RAS"`,
    );
  }
  const signs = letters.map((letter, i) => (AXIS_LETTERS[axes[i]][0] === letter ? -1 : 1));
  return { axes: axes as [number, number, number], signs: signs as [number, number, number] } as Orientation;
}

/** Where the axes of a reoriented array come from; axis 0 is z, 2 is x, before and after. */
export interface AxisTurn {
  /** Axis before for every axis after. */
  readonly from: Dims3;
  /** Whether an axis after runs against the one it comes from. */
  readonly reversed: readonly [boolean, boolean, boolean];
}

/**
 * How `reorient` turns the axes of a volume with this affine.
 *
 * @throws {RangeError} for a code that does not name each axis once
 */
export function axisTurn(affine: Affine, code: string): AxisTurn {
  const target = parseAxisCode(code), current = orientationOf(affine);
  const turn = (axis: number) => { // array axis 0 is index axis z, 2
    const source = current.axes.indexOf(target.axes[2 - axis]);
    return { from: 2 - source, reversed: current.signs[source] !== target.signs[2 - axis] };
  };
  const [a, b, c] = [turn(0), turn(1), turn(2)];
  return { from: [a.from, b.from, c.from], reversed: [a.reversed, b.reversed, c.reversed] };
}

/**
 * Permutes and flips axes so that x, y, z increase towards the letters of `code`; no interpolation. The volume itself when nothing changes.
 *
 * @param code three letters, for example "RAS": x to the right, y to anterior, z to superior
 * @returns volume of the same world content: every voxel keeps its position in mm; `nifti` is dropped when the grid changes
 * @throws {RangeError} for a code that does not name each axis once
 */
export function reorient(volume: Volume, code: string): Volume {
  const turn = axisTurn(volume.affine, code);
  // For every output index axis x, y, z: the input index axis with the same world axis, and whether it runs backwards.
  const source = turn.from.map((axis) => 2 - axis).reverse();
  const flipped = [...turn.reversed].reverse();
  if (source.every((from, to) => from === to) && !flipped.includes(true)) return volume;

  const sizes = [volume.shape[2], volume.shape[1], volume.shape[0]]; // x, y, z
  const strides = [1, sizes[0], sizes[0] * sizes[1]];
  const shape: Dims3 = [sizes[source[2]], sizes[source[1]], sizes[source[0]]];
  const step = source.map((from, to) => (flipped[to] ? -strides[from] : strides[from]));
  const start = source.reduce(
    (sum, from, to) => sum + (flipped[to] ? (sizes[from] - 1) * strides[from] : 0),
    0,
  );
  const data = new Float32Array(volume.data.length);
  let at = 0;
  for (let z = 0; z < shape[0]; z++) {
    for (let y = 0; y < shape[1]; y++) {
      let from = start + z * step[2] + y * step[1];
      for (let x = 0; x < shape[2]; x++, from += step[0]) data[at++] = volume.data[from];
    }
  }
  const toOld = new Array<number>(16).fill(0); // new index -> old index
  source.forEach((from, to) => {
    toOld[4 * from + to] = flipped[to] ? -1 : 1;
    toOld[4 * from + 3] = flipped[to] ? sizes[from] - 1 : 0;
  });
  toOld[15] = 1;
  return makeVolume(data, shape, multiplyAffine(volume.affine, toOld));
}
