/** Checks a convolution of any size: a sample of its results against sums in double precision. */
import { type ConvData, type ConvShape, type Direction, TAPS } from "./conv_library.ts";

/** Results that are recomputed. */
const SAMPLES = 97;

/** Reads `[channels, E, E, E]`, zero outside. */
function voxel(data: Float32Array, edge: number, c: number, z: number, y: number, x: number): number {
  if (Math.min(z, y, x) < 0 || Math.max(z, y, x) >= edge) return 0;
  return data[((c * edge + z) * edge + y) * edge + x];
}

/** Offsets -1 to 1 of tap `k` along D, H and W. */
function offset(k: number): [number, number, number] {
  return [Math.floor(k / 9) - 1, Math.floor(k / 3) % 3 - 1, k % 3 - 1];
}

/** Result `index` in PyTorch order: `y[o,q] = sum w[o,i,k] x[i,q+k]`, and the sums that its two gradients are. */
function convResultAt(
  direction: Direction,
  { from, to, edge }: ConvShape,
  { x, w, dy }: ConvData,
  index: number,
): number {
  let sum = 0;
  if (direction === "weightGradient") {
    const k = index % TAPS, i = Math.floor(index / TAPS) % from, o = Math.floor(index / TAPS / from);
    const [a, b, c] = offset(k);
    for (let z = 0; z < edge; z++) {
      for (let y = 0; y < edge; y++) {
        for (let q = 0; q < edge; q++) {
          sum += dy[((o * edge + z) * edge + y) * edge + q] * voxel(x, edge, i, z + a, y + b, q + c);
        }
      }
    }
    return sum;
  }
  const forward = direction === "forward";
  const [c, z, y, q] = [3, 2, 1, 0].map((axis) =>
    Math.floor(index / edge ** axis) % (axis === 3 ? Infinity : edge)
  );
  for (let other = 0; other < (forward ? from : to); other++) {
    for (let k = 0; k < TAPS; k++) {
      const [a, b, d] = offset(k);
      const weight = w[((forward ? c : other) * from + (forward ? other : c)) * TAPS + k];
      sum += forward
        ? weight * voxel(x, edge, other, z + a, y + b, q + d)
        : weight * voxel(dy, edge, other, z - a, y - b, q - d);
    }
  }
  return sum;
}

/** Largest difference of sampled results, the first and last among them, as a share of the largest result. */
export function sampledDifference(
  direction: Direction,
  shape: ConvShape,
  data: ConvData,
  result: Float32Array,
): number {
  const { from, to, edge } = shape;
  const length = direction === "weightGradient"
    ? from * to * TAPS
    : (direction === "forward" ? to : from) * edge ** 3;
  if (result.length !== length) return 1;
  const size = result.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  let worst = 0;
  for (let n = 0; n < SAMPLES; n++) {
    const index = Math.round(n * (length - 1) / (SAMPLES - 1));
    const difference = Math.abs(result[index] - convResultAt(direction, shape, data, index));
    if (!Number.isFinite(difference)) return 1;
    worst = Math.max(worst, difference);
  }
  return size > 0 ? worst / size : 1;
}
