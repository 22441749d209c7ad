import type { RawFact } from "./info_facts.ts";

/** Category of a subject's sex; "code 1" and the like for numbers whose meaning the file does not say. */
export type Sex = "female" | "male" | "other" | "not recognised" | `code ${number}`;

/** Oldest age that is given as such; older ones are one group, so that nobody is recognised by a rare age. */
export const MAX_AGE = 89;
/** Age in years that stands for every age above `MAX_AGE`. */
export const OLDEST = 90;

const YEARS_OF_UNIT = { years: 1, months: 1 / 12, weeks: 7 / 365.25, days: 1 / 365.25 } as const;
const DICOM_UNITS = { Y: "years", M: "months", W: "weeks", D: "days" } as const;

/**
 * Sex in the spellings of BIDS, DICOM and everyday tables.
 *
 * @returns null when nothing is stated
 */
export function readSex(fact: RawFact | undefined): Sex | null {
  if (fact === undefined) return null;
  const text = String(fact.value).trim().toLowerCase();
  if (/^(f|fem|females?|w|wom[ae]n|girl|weiblich)$/.test(text)) return "female";
  if (/^(m|males?|man|men|boy|männlich)$/.test(text)) return "male";
  if (/^(o|others?|x|d|diverse|intersex|non-?binary)$/.test(text)) return "other";
  return /^\d(\.0)?$/.test(text) ? `code ${Number(text)}` : "not recognised";
}

/**
 * Age in years from a number, `45`, `"31,5"`, DICOM's `"045Y"` or `"018M"`, a range such as `"20-25"` (its middle), or `"89+"`.
 *
 * @returns years, `OLDEST` for all above 89; NaN when it is no plausible age (0 to 130 years); null when nothing is stated
 * Source: DICOM PS3.5 section 6.2 (value representation AS); BIDS, participants.tsv: "ages should be capped at 89"
 */
export function readAge(fact: RawFact | undefined): number | null {
  if (fact === undefined) return null;
  const years = parseAge(fact);
  if (!(years >= 0 && years <= 130)) return NaN;
  return years > MAX_AGE ? OLDEST : years;
}

function parseAge({ value, unit }: RawFact): number {
  if (typeof value === "number") return value * YEARS_OF_UNIT[unit];
  const text = value.trim().replace(/(\d),(\d)/g, "$1.$2");
  const dicom = text.match(/^(\d{1,3})([DWMY])$/i);
  if (dicom) {
    return Number(dicom[1]) * YEARS_OF_UNIT[DICOM_UNITS[dicom[2].toUpperCase() as keyof typeof DICOM_UNITS]];
  }
  const number = text.match(/^(\d+(?:\.\d+)?)\s*(?:y(?:ears?|rs?)?\.?(?: old)?)?$/i);
  if (number) return Number(number[1]) * YEARS_OF_UNIT[unit];
  const range = text.match(/^[[(]?(\d+(?:\.\d+)?)\s*(?:-|–|to)\s*(\d+(?:\.\d+)?)[\])]?$/);
  if (range) return (Number(range[1]) + Number(range[2])) / 2 * YEARS_OF_UNIT[unit];
  const above = text.match(
    /^(?:(?:>|>=|≥|over|above)\s*(\d+)|(\d+)\s*(?:\+|(?:or|and) (?:older|above|over|more)))$/i,
  );
  if (!above) return NaN;
  const bound = Number(above[1] ?? above[2]) * YEARS_OF_UNIT[unit];
  return bound >= MAX_AGE ? OLDEST : NaN; // "over 60" is no age
}
