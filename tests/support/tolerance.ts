/** Comparison of tensors with a budget; never deepEqual, which hangs on large typed arrays. */

/** Accepts `|a - b| <= atol + rtol * |b|`. */
export interface Tolerance {
  readonly atol: number;
  readonly rtol: number;
}

/**
 * Budget of a result that sums about `terms` products of numbers of size 1 in f32.
 *
 * Stored as f16 it is rounded once more, by up to one unit of 11 significant bits, and below 2^-14 it may become 0.
 */
export function toleranceFor(terms: number, dtype: "f32" | "f16" = "f32"): Tolerance {
  const single = { atol: 2 ** -23 * 4 * Math.sqrt(terms + 1), rtol: 2 ** -23 * 16 };
  return dtype === "f32" ? single : { atol: single.atol + 2 ** -14, rtol: single.rtol + 2 ** -10 };
}

/**
 * Throws at the worst element beyond its budget.
 * @throws {Error} with index, both values and the share of the budget used
 */
export function assertAllClose(
  actual: ArrayLike<number>,
  wanted: ArrayLike<number>,
  tolerance: Tolerance,
  what = "tensor",
): void {
  if (actual.length !== wanted.length) {
    throw new Error(`${what}: ${actual.length} elements, wanted ${wanted.length}`);
  }
  let worst = -1;
  let share = 1;
  for (let i = 0; i < wanted.length; i++) {
    const budget = tolerance.atol + tolerance.rtol * Math.abs(wanted[i]);
    if (actual[i] === wanted[i]) continue;
    const used = Math.abs(actual[i] - wanted[i]) / budget;
    if (!(used <= share)) {
      worst = i;
      share = used;
      if (Number.isNaN(used)) break;
    }
  }
  if (worst >= 0) {
    throw new Error(
      `${what}[${worst}]: found ${actual[worst]}, wanted ${wanted[worst]} (${
        share.toFixed(2)
      } of the budget)`,
    );
  }
}
