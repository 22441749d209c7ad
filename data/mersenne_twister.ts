import { Mt19937 } from "./mt19937.ts";

/**
 * The generator behind CPython's `random.Random`, as far as `sample` needs it: equal seeds give equal draws in both.
 *
 * Source: the algorithms of `seed`, `_randbelow` and `sample` in CPython 3.11
 */
export class PythonRandom {
  readonly #twister: Mt19937;

  /** @param seed non-negative integer below 2^53. @throws {RangeError} otherwise */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new RangeError(`Cannot seed: found ${seed}, wanted a non-negative safe integer`);
    }
    const key = [seed >>> 0];
    if (seed >= 2 ** 32) key.push(Math.floor(seed / 2 ** 32));
    this.#twister = Mt19937.fromKey(key);
  }

  /** Uniform 32-bit unsigned integer (`getrandbits(32)`). */
  uint32(): number {
    return this.#twister.uint32();
  }

  /** Uniform integer in [0, n), 1 <= n < 2^32, by rejection (`_randbelow`). */
  below(n: number): number {
    const bits = 32 - Math.clz32(n);
    let draw = this.uint32() >>> (32 - bits);
    while (draw >= n) draw = this.uint32() >>> (32 - bits);
    return draw;
  }

  /**
   * `count` different members of a population in random order (`random.sample`).
   *
   * @throws {RangeError} unless 0 <= count <= population.length
   */
  sample<T>(population: readonly T[], count: number): T[] {
    const n = population.length;
    if (!Number.isInteger(count) || count < 0 || count > n) {
      throw new RangeError(`Cannot sample ${count} of ${n}: wanted a count in [0, ${n}]`);
    }
    const setSize = 21 + (count > 5 ? 4 ** Math.ceil(Math.log(count * 3) / Math.log(4)) : 0);
    if (n <= setSize) { // a pool whose drawn members are overwritten by the last
      const pool = [...population];
      return Array.from({ length: count }, (_, i) => {
        const at = this.below(n - i);
        const chosen = pool[at];
        pool[at] = pool[n - i - 1];
        return chosen;
      });
    }
    const selected = new Set<number>();
    while (selected.size < count) selected.add(this.below(n)); // a repeated index is drawn again
    return Array.from(selected, (at) => population[at]);
  }
}
