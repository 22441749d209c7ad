import type { Dims3 } from "../../data/volume.ts";

/** Runs of set voxels along the last axis, with the component of each. */
interface Runs {
  /** Index of the first voxel. */
  readonly first: Int32Array;
  readonly length: Int32Array;
  /** For each row of the volume the number of runs before it, `[D * H + 1]`. */
  readonly rowStart: Int32Array;
}

/**
 * Keeps the largest connected component of a mask and clears the others; of several of the same largest size all stay. Voxels that share a
 * face, an edge or a corner are connected.
 *
 * @param mask 0 or 1, `[D, H, W]`; changed in place
 * @returns number of voxels that were cleared
 */
export function keepLargestComponent(mask: Uint8Array, shape: Dims3): number {
  const runs = findRuns(mask, shape);
  const root = joinRuns(runs, shape);
  const sizes = new Float64Array(root.length);
  for (let i = 0; i < root.length; i++) sizes[root[i]] += runs.length[i];
  const largest = sizes.reduce((most, size) => Math.max(most, size), 0);
  let cleared = 0;
  for (let i = 0; i < root.length; i++) {
    if (sizes[root[i]] === largest) continue;
    mask.fill(0, runs.first[i], runs.first[i] + runs.length[i]);
    cleared += runs.length[i];
  }
  return cleared;
}

function findRuns(mask: Uint8Array, [d, h, w]: Dims3): Runs {
  const first: number[] = [], length: number[] = [];
  const rowStart = new Int32Array(d * h + 1);
  for (let row = 0; row < d * h; row++) {
    const end = (row + 1) * w;
    for (let i = row * w; i < end;) {
      if (mask[i] === 0) {
        i++;
        continue;
      }
      first.push(i);
      const begin = i;
      while (i < end && mask[i] !== 0) i++;
      length.push(i - begin);
    }
    rowStart[row + 1] = first.length;
  }
  return { first: Int32Array.from(first), length: Int32Array.from(length), rowStart };
}

/** Component of every run, named by one of its runs; neighbouring rows are joined where runs touch, corners included. */
function joinRuns({ first, length, rowStart }: Runs, [d, h, w]: Dims3): Int32Array {
  const parent = Int32Array.from(first.keys());
  const find = (run: number) => {
    while (parent[run] !== run) run = parent[run] = parent[parent[run]];
    return run;
  };
  const joinRows = (row: number, other: number) => {
    const shift = (row - other) * w;
    let a = rowStart[row], b = rowStart[other];
    while (a < rowStart[row + 1] && b < rowStart[other + 1]) {
      const startA = first[a], startB = first[b] + shift;
      const endA = startA + length[a], endB = startB + length[b];
      if (startA <= endB && startB <= endA) parent[find(a)] = find(b);
      if (endA < endB) a++;
      else b++;
    }
  };
  for (let z = 0; z < d; z++) {
    for (let y = 0; y < h; y++) {
      const row = z * h + y;
      if (rowStart[row] === rowStart[row + 1]) continue;
      if (y > 0) joinRows(row, row - 1);
      if (z === 0) continue;
      for (let dy = -1; dy <= 1; dy++) {
        if (y + dy >= 0 && y + dy < h) joinRows(row, row - h + dy);
      }
    }
  }
  return parent.map((_, run) => find(run));
}
