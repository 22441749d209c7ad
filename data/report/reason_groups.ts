import { cleanText } from "./markup.ts";
import { compareText } from "./tally.ts";

/** Reasons that differ in numbers only. */
export interface ReasonGroup {
  /** The filter or check that spoke; null when the store does not say. */
  readonly rule: string | null;
  /** The reason; an ellipsis where numbers differ. */
  readonly reason: string;
  readonly count: number;
}

interface OpenGroup {
  readonly rule: string | null;
  readonly parts: string[];
  count: number;
}

/** Longest reason that is shown. */
const MAX_REASON = 400;

/** Sums up reasons: one group for those that are the same but for their numbers. */
export class ReasonGroups {
  readonly #groups = new Map<string, OpenGroup>();

  /** Counts one reason, free of names. */
  add(rule: string | null, reason: string): void {
    const text = cleanText(reason).replace(/^Cannot (\w+ )+\[file\]: /, "").slice(0, MAX_REASON)
      .toWellFormed();
    const parts = text.split(/(\d+(?:\.\d+)?(?:e[+-]?\d+)?)/); // numbers at odd places
    const key = `${rule ?? ""}\n${parts.map((part, i) => i % 2 === 0 ? part : "0").join("")}`;
    const group = this.#groups.get(key);
    if (!group) {
      this.#groups.set(key, { rule, parts, count: 1 });
      return;
    }
    group.count++;
    for (let i = 1; i < parts.length; i += 2) if (group.parts[i] !== parts[i]) group.parts[i] = "…";
  }

  /** All groups, the largest first, then by rule and text. */
  result(): ReasonGroup[] {
    return [...this.#groups.values()]
      .map(({ rule, parts, count }): ReasonGroup => ({ rule, reason: parts.join(""), count }))
      .sort((a, b) =>
        b.count - a.count || compareText(a.rule ?? "", b.rule ?? "") || compareText(a.reason, b.reason)
      );
  }
}
