/** One category and how often it was met. */
export interface Category {
  readonly name: string;
  readonly count: number;
}

/** Counts of one field: its categories, and how many did not state it. */
export interface FieldCounts {
  readonly categories: readonly Category[];
  readonly notStated: number;
}

/**
 * Counts names that may be spelled in several ways: case, underscores and runs of spaces make no difference, and the most frequent
 * spelling is shown (of equally frequent ones the first by code point).
 */
export class Tally {
  readonly #spellings = new Map<string, Map<string, number>>();
  #notStated = 0;

  /** Counts one name; null is "not stated". */
  add(name: string | null, times = 1): void {
    if (name === null) {
      this.#notStated += times;
      return;
    }
    const key = name.normalize("NFKC").toLowerCase().replace(/[\s_]+/g, " ").trim();
    let spellings = this.#spellings.get(key);
    if (!spellings) this.#spellings.set(key, spellings = new Map());
    spellings.set(name, (spellings.get(name) ?? 0) + times);
  }

  /** Categories, the most frequent first, then by name; or in an order of their own. */
  result(order: (a: Category, b: Category) => number = byCount): FieldCounts {
    const categories = [...this.#spellings.values()].map((spellings): Category => {
      const sorted = [...spellings].sort(([a, m], [b, n]) => n - m || compareText(a, b));
      return { name: sorted[0][0], count: sorted.reduce((sum, [, times]) => sum + times, 0) };
    });
    return { categories: categories.sort(order), notStated: this.#notStated };
  }
}

function byCount(a: Category, b: Category): number {
  return b.count - a.count || compareText(a.name, b.name);
}

/** Order that no locale changes. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
