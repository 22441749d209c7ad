import { goldenNumber, type TensorRef, type Tolerance } from "./manifest.ts";

/** One failed comparison; `budgetShare` is the difference over the allowed difference (Infinity for exact tensors). */
export interface Miss {
  readonly caseId: string;
  readonly tensor: string;
  readonly index: number;
  readonly actual: unknown;
  readonly expected: unknown;
  readonly budgetShare: number;
  readonly reason: string;
}

type Values = ArrayLike<number | bigint>;
type Reader = (ref: TensorRef) => { data: Values; shape: readonly number[] };

const MAX_REPORTED = 200;

/** Compares results with recorded values, counts what was compared and keeps every miss. */
export class Checker {
  readonly misses: Miss[] = [];
  /** Number of comparisons that failed (`misses` keeps the first 200). */
  missCount = 0;
  /** Number of tensors compared with `close` or `closeValues`. */
  tensors = 0;
  /** Number of scalars and small values compared with `equal` or `closeNumber`. */
  values = 0;
  /** Largest difference over allowed difference seen; 1 is the limit. */
  worstShare = 0;
  readonly #caseIds = new Set<string>();
  readonly #read: Reader;

  /** @param read reads a recorded tensor of the group under test */
  constructor(read: Reader) {
    this.#read = read;
  }

  /** Number of different case ids for which something was compared or missed. */
  get cases(): number {
    return this.#caseIds.size;
  }

  /** True when at least one comparison was made for the case. */
  sawCase(caseId: string): boolean {
    return this.#caseIds.has(caseId);
  }

  /** Compares a flat result with the recorded tensor `ref`, element by element, under the tensor's own tolerance. */
  close(caseId: string, tensorName: string, actual: Values, ref: TensorRef): void {
    this.closeValues(caseId, tensorName, actual, this.#read(ref).data, ref.tolerance);
  }

  /** As `close`, against values at hand; exact when `tolerance` is left out. NaN meets only NaN. */
  closeValues(
    caseId: string,
    tensorName: string,
    actual: Values,
    expected: Values,
    tolerance?: Partial<Tolerance>,
  ): void {
    this.#caseIds.add(caseId);
    this.tensors++;
    if (actual.length !== expected.length) {
      this.miss(caseId, tensorName, `found ${actual.length} values, wanted ${expected.length}`, {
        actual: actual.length,
        expected: expected.length,
      });
      return;
    }
    const worst = worstElement(actual, expected, tolerance?.atol ?? 0, tolerance?.rtol ?? 0);
    if (worst.share <= 1) {
      this.worstShare = Math.max(this.worstShare, worst.share);
      return;
    }
    this.worstShare = Math.max(this.worstShare, worst.share);
    this.miss(caseId, tensorName, `${worst.over} of ${actual.length} values outside the tolerance`, {
      index: worst.index,
      actual: actual[worst.index],
      expected: expected[worst.index],
      budgetShare: worst.share,
    });
  }

  /** Compares one number under a tolerance (exact when left out); `expected` may be "NaN" or "Infinity". */
  closeNumber(
    caseId: string,
    what: string,
    actual: number,
    expected: unknown,
    tolerance?: Partial<Tolerance>,
  ): void {
    this.#caseIds.add(caseId);
    this.values++;
    const wanted = goldenNumber(expected);
    const { share } = worstElement([actual], [wanted], tolerance?.atol ?? 0, tolerance?.rtol ?? 0);
    this.worstShare = Math.max(this.worstShare, share);
    if (share > 1) {
      this.miss(caseId, what, "outside the tolerance", { actual, expected: wanted, budgetShare: share });
    }
  }

  /** Exact comparison of JSON-like values (numbers, strings, booleans, null, small arrays and objects of them). */
  equal(caseId: string, what: string, actual: unknown, expected: unknown): void {
    this.#caseIds.add(caseId);
    this.values++;
    if (canonical(actual) !== canonical(expected)) this.miss(caseId, what, "not equal", { actual, expected });
  }

  /** Records a failure that is not a difference of values, for example an unknown op. */
  miss(caseId: string, what: string, reason: string, detail: Partial<Miss> = {}): void {
    this.#caseIds.add(caseId);
    this.missCount++;
    if (this.misses.length >= MAX_REPORTED) return;
    this.misses.push({
      caseId,
      tensor: what,
      index: detail.index ?? -1,
      actual: detail.actual,
      expected: detail.expected,
      budgetShare: detail.budgetShare ?? Infinity,
      reason,
    });
  }
}

function worstElement(actual: Values, expected: Values, atol: number, rtol: number) {
  let share = 0, index = -1, over = 0;
  for (let i = 0; i < actual.length; i++) {
    if (actual[i] === expected[i]) continue; // exact big integers
    const a = Number(actual[i]), b = Number(expected[i]);
    if (a === b || Number.isNaN(a) && Number.isNaN(b)) continue; // also equal infinities
    const allowed = atol + rtol * Math.abs(b);
    const difference = Math.abs(a - b);
    let elementShare = difference / allowed;
    if (!Number.isFinite(difference) || !(allowed > 0)) elementShare = Infinity;
    if (elementShare > 1) over++;
    if (elementShare > share) {
      share = elementShare;
      index = i;
    }
  }
  return { share, index, over };
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, entry) => {
    if (typeof entry === "bigint") return Number(entry);
    if (typeof entry === "number" && !Number.isFinite(entry)) return String(entry);
    if (ArrayBuffer.isView(entry)) return Array.from(entry as unknown as ArrayLike<number | bigint>, Number);
    if (typeof entry === "object" && entry !== null && !Array.isArray(entry)) {
      return Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)));
    }
    return entry;
  }) ?? "undefined";
}
