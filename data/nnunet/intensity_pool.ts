import { Mt19937 } from "../mt19937.ts";
import { between } from "./percentile.ts";
import type { IntensityProperties } from "./plans.ts";

/** Intensities drawn from one or more cases: different values, ascending, and how often each was drawn. */
export interface IntensityPool {
  readonly values: Float32Array;
  readonly counts: Float64Array;
}

/** Seed of the draws of every case. */
export const INTENSITY_SEED = 1234;

/**
 * Draws voxels with replacement, `draws` a channel.
 *
 * The draws are those of numpy's `RandomState(1234).choice(voxels, draws)`, channel after channel from one generator, so that the
 * statistics are nnU-Net's; only how often a value came is kept.
 *
 * @param channels foreground intensities of a case, `[voxels]` a channel, all of one length
 * Source: `collect_foreground_intensities` of nnU-Net v2
 */
export function drawIntensities(channels: readonly Float32Array[], draws: number): IntensityPool[] {
  const random = Mt19937.fromSeed(INTENSITY_SEED);
  return channels.map((intensities) => {
    const distinct = distinctValues(intensities);
    const counts = new Float64Array(distinct.length);
    const drawsOf = new Uint32Array(intensities.length), last = intensities.length - 1;
    if (last >= 0) { for (let draw = 0; draw < draws; draw++) drawsOf[random.upTo(last)]++; }
    for (let i = 0; i <= last; i++) {
      if (drawsOf[i] > 0) counts[rankOf(intensities[i], distinct)] += drawsOf[i];
    }
    const drawn = counts.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
    const pool = { values: new Float32Array(drawn), counts: new Float64Array(drawn) };
    for (let i = 0, to = 0; i < distinct.length; i++) {
      if (counts[i] === 0) continue;
      pool.values[to] = distinct[i];
      pool.counts[to++] = counts[i];
    }
    return pool;
  });
}

/** Both pools as one. */
export function mergePools(a: IntensityPool, b: IntensityPool): IntensityPool {
  const most = a.values.length + b.values.length;
  const values = new Float32Array(most), counts = new Float64Array(most);
  let i = 0, j = 0, to = 0;
  for (; i < a.values.length || j < b.values.length; to++) {
    const fromA = j === b.values.length || a.values[i] <= b.values[j];
    const fromB = i === a.values.length || b.values[j] <= a.values[i];
    values[to] = fromA ? a.values[i] : b.values[j];
    if (fromA) counts[to] += a.counts[i++];
    if (fromB) counts[to] += b.counts[j++];
  }
  return { values: values.slice(0, to), counts: counts.slice(0, to) };
}

/** Statistics of everything in a pool, in float64. @throws {RangeError} for an empty pool */
export function poolStatistics({ values, counts }: IntensityPool): IntensityProperties {
  let total = 0, sum = 0;
  for (let i = 0; i < values.length; i++) {
    total += counts[i];
    sum += values[i] * counts[i];
  }
  if (total === 0) throw new RangeError("Cannot take statistics of the foreground: found no voxel");
  const mean = sum / total;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += counts[i] * (values[i] - mean) ** 2;
  const percentile = (percent: number) => {
    const at = percent / 100 * (total - 1), below = Math.floor(at);
    const low = indexOfDraw(counts, below), high = indexOfDraw(counts, Math.min(below + 1, total - 1));
    return between(values[low], values[high], at - below);
  };
  return {
    max: values[values.length - 1],
    mean,
    median: percentile(50),
    min: values[0],
    percentile_00_5: percentile(0.5),
    percentile_99_5: percentile(99.5),
    std: Math.sqrt(squares / total),
  };
}

/** Position in the pool of the draw that is number `rank` (from 0) in ascending order. */
function indexOfDraw(counts: Float64Array, rank: number): number {
  let index = 0;
  for (let before = counts[0]; before <= rank; before += counts[index]) index++;
  return index;
}

function distinctValues(intensities: Float32Array): Float32Array {
  const sorted = intensities.toSorted();
  let distinct = 0;
  for (let i = 0; i < sorted.length; i++) {
    if (i === 0 || sorted[i] !== sorted[i - 1]) sorted[distinct++] = sorted[i];
  }
  return sorted.slice(0, distinct);
}

/** Position of an intensity among the distinct ones. */
function rankOf(value: number, distinct: Float32Array): number {
  let low = 0, high = distinct.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (distinct[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
