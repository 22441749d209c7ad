/**
 * A random stream that is a pure function of a seed and a list of keys, so that any draw of a run can be repeated without
 * replaying the draws before it.
 *
 * Integer arithmetic modulo 2^32 only (`normal()` adds the engine's sqrt, log, cos and sin), hence equal on every platform.
 */
export interface Rng {
  /** Uniform float64 in [0, 1) with 53 random bits. */
  uniform(): number;
  /** Uniform 32-bit unsigned integer. */
  uint32(): number;
  /** Uniform integer in [lo, hi], both ends included. @throws {RangeError} unless lo <= hi are safe integers */
  int(lo: number, hi: number): number;
  /** Standard normal value (mean 0, variance 1). */
  normal(): number;
  /** Uniform random permutation of 0..n-1, `[n]`. @throws {RangeError} unless n is an integer in [0, 2^32) */
  permutation(n: number): Uint32Array;
  /** Everything needed to go on later with `restoreRandom`; JSON-safe. */
  state(): RngState;
}

/** State of an `Rng`: four 32-bit words and the normal value held back by the pairwise method, if any. */
export interface RngState {
  readonly words: readonly [number, number, number, number];
  readonly spareNormal: number | null;
}

const LANE_MULTIPLIERS = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f] as const;
const LANE_OFFSETS = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344] as const;

/** Finaliser of MurmurHash3 for 32 bits (Appleby, public domain): a bijection in which each input bit moves each output bit. */
function mix32(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function absorb(lanes: Int32Array, word: number): void {
  for (let lane = 0; lane < 4; lane++) {
    const input = Math.imul(word, LANE_MULTIPLIERS[lane]) ^ lanes[lane];
    lanes[lane] = (mix32(input) + lanes[(lane + 1) & 3]) | 0;
  }
}

/**
 * Random stream for `(seed, ...keys)`; different key lists give independent streams, and `(s)` differs from `(s, 0)`.
 *
 * Generator: xoshiro128** 1.1 (Blackman and Vigna 2018, https://prng.di.unimi.it); the state comes from hashing every key.
 *
 * @param seed run seed, any safe integer
 * @param keys further safe integers, for example step and sample index
 * @throws {RangeError} if a key is not a safe integer
 *
 * @example
 * ```ts
 * import { hashRandom } from "./random.ts";
 * const first = hashRandom(7, 120, 3).uniform();
 * if (first !== hashRandom(7, 120, 3).uniform()) throw new Error("not a pure function");
 * ```
 */
export function hashRandom(seed: number, ...keys: readonly number[]): Rng {
  const lanes = Int32Array.from(LANE_OFFSETS);
  for (const key of [seed, ...keys]) {
    if (!Number.isSafeInteger(key)) {
      throw new RangeError(
        `Cannot seed a random stream: found key ${key}, wanted a safe integer: round it first`,
      );
    }
    absorb(lanes, key | 0);
    absorb(lanes, Math.floor(key / 4294967296) | 0);
  }
  for (let round = 0; round < 4; round++) absorb(lanes, keys.length + 1);
  if ((lanes[0] | lanes[1] | lanes[2] | lanes[3]) === 0) lanes[0] = 1;
  return new Xoshiro128(lanes, null);
}

/** Goes on from a state taken by `Rng.state()`; the next draw equals the one the original stream would have made. */
export function restoreRandom(state: RngState): Rng {
  return new Xoshiro128(Int32Array.from(state.words), state.spareNormal);
}

class Xoshiro128 implements Rng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;
  #spare: number | null;

  constructor(words: Int32Array, spareNormal: number | null) {
    [this.#a, this.#b, this.#c, this.#d] = words;
    this.#spare = spareNormal;
  }

  uint32(): number {
    const times5 = Math.imul(this.#b, 5);
    const result = Math.imul((times5 << 7) | (times5 >>> 25), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  uniform(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  int(lo: number, hi: number): number {
    const range = hi - lo + 1;
    if (!Number.isSafeInteger(lo) || !Number.isSafeInteger(hi) || range < 1 || range > 9007199254740991) {
      throw new RangeError(
        `Cannot draw an integer: found range [${lo}, ${hi}], wanted safe integers with lo <= hi`,
      );
    }
    if (range > 4294967296) return lo + Math.floor(this.uniform() * range);
    const limit = 4294967296 - (4294967296 % range); // reject the incomplete last interval, so no value is favoured
    let draw = this.uint32();
    while (draw >= limit) draw = this.uint32();
    return lo + draw % range;
  }

  normal(): number {
    if (this.#spare !== null) {
      const value = this.#spare;
      this.#spare = null;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform())); // 1 - u is in (0, 1]: the logarithm is finite
    const angle = 2 * Math.PI * this.uniform(); // Box and Muller 1958
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  permutation(n: number): Uint32Array {
    if (!Number.isInteger(n) || n < 0 || n >= 4294967296) {
      throw new RangeError(`Cannot permute: found n = ${n}, wanted an integer in [0, 2^32)`);
    }
    const order = new Uint32Array(n);
    for (let i = 0; i < n; i++) order[i] = i;
    for (let i = n - 1; i > 0; i--) { // Fisher and Yates
      const j = this.int(0, i);
      const held = order[i];
      order[i] = order[j];
      order[j] = held;
    }
    return order;
  }

  state(): RngState {
    return { words: [this.#a, this.#b, this.#c, this.#d], spareNormal: this.#spare };
  }
}
