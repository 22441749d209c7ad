const SIZE = 624;
const SHIFT = 397;

/**
 * The generator behind CPython's `random.Random`, as far as `sample` needs it: equal seeds give equal draws in both.
 *
 * Source: Matsumoto and Nishimura 1998 (MT19937, init_by_array); the algorithms of `seed`, `_randbelow` and `sample` in CPython 3.11
 */
export class PythonRandom {
  readonly #state = new Uint32Array(SIZE);
  #index = SIZE;

  /** @param seed non-negative integer below 2^53. @throws {RangeError} otherwise */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new RangeError(`Cannot seed: found ${seed}, wanted a non-negative safe integer`);
    }
    const key = [seed >>> 0];
    if (seed >= 2 ** 32) key.push(Math.floor(seed / 2 ** 32));
    this.#initByArray(key);
  }

  #initByArray(key: readonly number[]): void {
    const s = this.#state;
    s[0] = 19650218;
    for (let i = 1; i < SIZE; i++) s[i] = Math.imul(1812433253, s[i - 1] ^ (s[i - 1] >>> 30)) + i;
    let i = 1, j = 0;
    const advance = () => {
      if (++i < SIZE) return;
      s[0] = s[SIZE - 1];
      i = 1;
    };
    for (let k = Math.max(SIZE, key.length); k > 0; k--) {
      s[i] = (s[i] ^ Math.imul(s[i - 1] ^ (s[i - 1] >>> 30), 1664525)) + key[j] + j;
      advance();
      j = (j + 1) % key.length;
    }
    for (let k = SIZE - 1; k > 0; k--) {
      s[i] = (s[i] ^ Math.imul(s[i - 1] ^ (s[i - 1] >>> 30), 1566083941)) - i;
      advance();
    }
    s[0] = 0x80000000;
  }

  #refill(): void {
    const s = this.#state;
    for (let k = 0; k < SIZE; k++) {
      const y = (s[k] & 0x80000000) | (s[(k + 1) % SIZE] & 0x7fffffff);
      s[k] = s[(k + SHIFT) % SIZE] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#index = 0;
  }

  /** Uniform 32-bit unsigned integer (`getrandbits(32)`). */
  uint32(): number {
    if (this.#index === SIZE) this.#refill();
    let y = this.#state[this.#index++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
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
