const SIZE = 624;
const SHIFT = 397;

/** The Mersenne Twister MT19937 with 32-bit outputs. Source: Matsumoto and Nishimura 1998, mt19937ar.c (2002) */
export class Mt19937 {
  readonly #state = new Uint32Array(SIZE);
  /** Tempered outputs of the state. */
  readonly #outputs = new Uint32Array(SIZE);
  #index = SIZE;

  private constructor() {}

  /**
   * A generator seeded with one number (`init_genrand`), as numpy's `RandomState(seed)` is.
   *
   * @param seed whole number in [0, 2^32)
   * @throws {RangeError} otherwise
   */
  static fromSeed(seed: number): Mt19937 {
    if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
      throw new RangeError(`Cannot seed: found ${seed}, wanted a whole number in [0, 2^32)`);
    }
    const generator = new Mt19937();
    generator.#initGenrand(seed);
    return generator;
  }

  /** A generator seeded with 32-bit words (`init_by_array`), as CPython's `random.Random` is. @throws {RangeError} without words */
  static fromKey(key: readonly number[]): Mt19937 {
    if (key.length === 0) throw new RangeError("Cannot seed: found no word, wanted at least one");
    const generator = new Mt19937();
    generator.#initByArray(key);
    return generator;
  }

  #initGenrand(seed: number): void {
    const s = this.#state;
    s[0] = seed;
    for (let i = 1; i < SIZE; i++) s[i] = Math.imul(1812433253, s[i - 1] ^ (s[i - 1] >>> 30)) + i;
  }

  #initByArray(key: readonly number[]): void {
    const s = this.#state;
    this.#initGenrand(19650218);
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
      const next = k + 1 === SIZE ? 0 : k + 1;
      const far = k + SHIFT < SIZE ? k + SHIFT : k + SHIFT - SIZE;
      const y = (s[k] & 0x80000000) | (s[next] & 0x7fffffff);
      s[k] = s[far] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    for (let k = 0; k < SIZE; k++) {
      let y = s[k];
      y ^= y >>> 11;
      y ^= (y << 7) & 0x9d2c5680;
      y ^= (y << 15) & 0xefc60000;
      this.#outputs[k] = y ^ (y >>> 18);
    }
    this.#index = 0;
  }

  /** Uniform 32-bit unsigned integer. */
  uint32(): number {
    if (this.#index === SIZE) this.#refill();
    return this.#outputs[this.#index++];
  }

  /**
   * Uniform integer in [0, max], 0 <= max < 2^32: draws masked to the bits of `max` until one is at most `max`. Equals numpy's
   * `RandomState.randint(0, max + 1)` and the draws of its `shuffle`; `max` 0 draws nothing.
   */
  upTo(max: number): number {
    if (max === 0) return 0;
    const mask = 0xffffffff >>> Math.clz32(max);
    let draw = (this.uint32() & mask) >>> 0;
    while (draw > max) draw = (this.uint32() & mask) >>> 0;
    return draw;
  }
}
