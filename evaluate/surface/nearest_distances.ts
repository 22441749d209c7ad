import type { Dims3 } from "../../data/volume.ts";

/** No seed in this direction; far enough that no difference with an index comes near. */
const NONE = 1 << 29;

/**
 * Exact Euclidean distance in mm from each query to the nearest seed, both grid points: the distance transform of the seeds, computed
 * only where it is asked for.
 *
 * Separable (Maurer et al. 2003; lower envelope of parabolas: Felzenszwalb and Huttenlocher 2012). The first axis is a sweep that keeps the
 * seeds below and above each column, so that memory is a few planes, not volumes; planes and rows without queries are skipped.
 *
 * @param seeds indices into the grid, ascending
 * @param queries indices into the grid, ascending
 * @param shape grid, C order
 * @param spacing mm along the three axes
 * @returns `[queries]`; Infinity without seeds
 */
export function nearestDistances(
  seeds: Int32Array,
  queries: Int32Array,
  shape: Dims3,
  spacing: Dims3,
): Float64Array {
  const distances = new Float64Array(queries.length).fill(Infinity);
  if (seeds.length === 0) return distances;
  const [d, h, w] = shape;
  const plane = h * w;
  const sweep = new ColumnSweep(seeds, d, plane);
  const columns = usedColumns(seeds, plane, w);
  const alongY = new Envelope(h, spacing[1]), alongX = new Envelope(w, spacing[2]);
  const squares = new Float64Array(plane);
  const rows = new Int32Array(h);
  for (let begin = 0, end = 0; begin < queries.length; begin = end) {
    const z = Math.floor(queries[begin] / plane), base = z * plane;
    let rowCount = 0;
    for (; end < queries.length && queries[end] < base + plane; end++) {
      const y = Math.floor((queries[end] - base) / w);
      if (rowCount === 0 || rows[rowCount - 1] !== y) rows[rowCount++] = y;
    }
    sweep.moveTo(z);
    for (const x of columns) {
      for (let y = 0, at = x; y < h; y++, at += w) {
        const steps = Math.min(z - sweep.below[at], sweep.above[at] - z);
        const dz = steps * spacing[0];
        alongY.heights[y] = steps < NONE >> 1 ? dz * dz : Infinity;
      }
      alongY.build();
      for (let i = 0; i < rowCount; i++) squares[rows[i] * w + x] = alongY.at(rows[i]);
    }
    let current = -1;
    for (let i = begin; i < end; i++) {
      const y = Math.floor((queries[i] - base) / w);
      if (y !== current) {
        current = y;
        alongX.heights.fill(Infinity);
        for (const x of columns) alongX.heights[x] = squares[y * w + x];
        alongX.build();
      }
      distances[i] = Math.sqrt(alongX.at(queries[i] - base - y * w));
    }
  }
  return distances;
}

/** Positions along the last axis at which some seed lies. */
function usedColumns(seeds: Int32Array, plane: number, w: number): Int32Array {
  const used = new Uint8Array(w);
  for (let i = 0; i < seeds.length; i++) used[(seeds[i] % plane) % w] = 1;
  return Int32Array.from(used.keys().filter((x) => used[x] === 1));
}

/** For every column along the first axis the nearest seeds at or below, and above, a plane that moves upwards. */
class ColumnSweep {
  /** Index of the plane of the nearest seed at or below, `-NONE` for none. */
  readonly below: Int32Array;
  /** Index of the plane of the nearest seed above, `NONE` for none. */
  readonly above: Int32Array;
  readonly #next: Int32Array;
  #passed = 0;

  constructor(readonly seeds: Int32Array, d: number, readonly plane: number) {
    this.below = new Int32Array(plane).fill(-NONE);
    this.above = new Int32Array(plane).fill(NONE);
    this.#next = new Int32Array(seeds.length);
    for (let i = seeds.length - 1, z = d - 1; i >= 0; i--) {
      while (seeds[i] < z * plane) z--;
      const column = seeds[i] - z * plane;
      this.#next[i] = this.above[column];
      this.above[column] = z;
    }
  }

  moveTo(z: number): void {
    const { seeds, plane } = this;
    for (; this.#passed < seeds.length && seeds[this.#passed] < (z + 1) * plane; this.#passed++) {
      const column = seeds[this.#passed] % plane;
      this.below[column] = Math.floor(seeds[this.#passed] / plane);
      this.above[column] = this.#next[this.#passed];
    }
  }
}

/** Lower envelope of the parabolas heights[v] + (spacing (x - v))^2 along one line; asked at ascending x. */
class Envelope {
  /** mm^2; Infinity where there is no parabola. */
  readonly heights: Float64Array;
  readonly #vertices: Int32Array;
  /** Left end of the stretch of each parabola of the envelope, in index units. */
  readonly #starts: Float64Array;
  #count = 0;
  #current = 0;

  constructor(length: number, readonly spacing: number) {
    this.heights = new Float64Array(length);
    this.#vertices = new Int32Array(length);
    this.#starts = new Float64Array(length);
  }

  build(): void {
    const heights = this.heights, vertices = this.#vertices, starts = this.#starts;
    const inverse = 1 / (2 * this.spacing * this.spacing);
    let last = -1;
    for (let q = 0; q < heights.length; q++) {
      const height = heights[q];
      if (height === Infinity) continue;
      let start = -Infinity;
      while (last >= 0) {
        const v = vertices[last];
        start = (v + q) / 2 + (height - heights[v]) * inverse / (q - v);
        if (start > starts[last]) break;
        last--;
        start = -Infinity;
      }
      vertices[++last] = q;
      starts[last] = start;
    }
    this.#count = last + 1;
    this.#current = 0;
  }

  at(x: number): number {
    if (this.#count === 0) return Infinity;
    while (this.#current + 1 < this.#count && this.#starts[this.#current + 1] < x) this.#current++;
    const v = this.#vertices[this.#current];
    const dx = (x - v) * this.spacing;
    return dx * dx + this.heights[v];
  }
}
