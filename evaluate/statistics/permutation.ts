import { hashRandom } from "../../data/random.ts";
import type { PairedTest } from "./wilcoxon.ts";

/** Most pairs whose 2^n signs are all tried. */
const EXACT_LIMIT = 16;

/** How to draw when there are too many pairs to try all signs. */
export interface PermutationOptions {
  /** 10,000 when left out. */
  readonly permutations?: number;
  /** 0 when left out. */
  readonly seed?: number;
}

/**
 * Permutation test of the mean of paired differences, two-sided: how often random signs give a mean at least as far from 0.
 *
 * Up to 16 pairs all signs are tried; beyond, p = (hits + 1) / (permutations + 1), which is valid and never 0 (Phipson and Smyth 2010).
 */
export function permutationTest(
  differences: readonly number[],
  options: PermutationOptions = {},
): PairedTest {
  const { permutations = 10_000, seed = 0 } = options;
  const values = differences.filter((value) => !Number.isNaN(value));
  const count = values.length;
  const wanted = Math.abs(values.reduce((sum, value) => sum + value, 0));
  const rounding = 1e-12 * values.reduce((sum, value) => sum + Math.abs(value), 0);
  const isHit = (sum: number) => Math.abs(sum) >= wanted - rounding;
  if (count <= EXACT_LIMIT) {
    let hits = 0;
    for (let signs = 0; signs < 1 << count; signs++) {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += signs >> i & 1 ? values[i] : -values[i];
      if (isHit(sum)) hits++;
    }
    return { p: hits / (1 << count), count, exact: true };
  }
  const random = hashRandom(seed, count);
  let hits = 0;
  for (let permutation = 0; permutation < permutations; permutation++) {
    let sum = 0, bits = 0;
    for (let i = 0; i < count; i++) {
      if (i % 32 === 0) bits = random.uint32();
      sum += bits & 1 ? values[i] : -values[i];
      bits >>>= 1;
    }
    if (isHit(sum)) hits++;
  }
  return { p: (hits + 1) / (permutations + 1), count, exact: false };
}
