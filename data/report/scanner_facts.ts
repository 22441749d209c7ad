import type { InfoFacts, RawFact } from "./info_facts.ts";
import { cleanText } from "./markup.ts";
import { compact } from "./text.ts";

/** Makers under the many names that DICOM headers give them. */
const MAKERS: readonly (readonly [RegExp, string])[] = [
  [/^siemens/i, "Siemens"],
  [/^philips/i, "Philips"],
  [/^(ge|general electric)\b/i, "GE"],
  [/^(canon)\b/i, "Canon"],
  [/^toshiba/i, "Toshiba"],
  [/^hitachi/i, "Hitachi"],
  [/^fuji/i, "Fujifilm"],
  [/^(uih|united imaging)/i, "United Imaging"],
  [/^bruker/i, "Bruker"],
  [/^hyperfine/i, "Hyperfine"],
];

/** Field strengths in tesla of scanners on the market and in research. */
const NOMINAL_TESLA = [
  0.064,
  0.2,
  0.23,
  0.3,
  0.35,
  0.4,
  0.5,
  0.55,
  0.6,
  0.7,
  1,
  1.16,
  1.5,
  2,
  3,
  4,
  4.7,
  5,
  7,
  9.4,
  10.5,
  11.7,
  14,
];

/** Maker and model in one line, such as `Philips Achieva`; null when neither is stated. */
export function readScanner({ manufacturer, model, scanner }: InfoFacts): string | null {
  const modelName = model && cleanText(String(model.value).replaceAll("_", " "));
  if (!manufacturer && !modelName) return scanner ? cleanText(String(scanner.value)) : null;
  const maker = manufacturer && makerName(String(manufacturer.value));
  if (!maker) return `${modelName} (manufacturer not stated)`;
  if (!modelName) return `${maker} (model not stated)`;
  return modelName.toLowerCase().startsWith(maker.toLowerCase()) ? modelName : `${maker} ${modelName}`;
}

function makerName(text: string): string {
  const clean = cleanText(text.replaceAll("_", " "));
  return MAKERS.find(([pattern]) => pattern.test(clean))?.[1] ?? clean;
}

/**
 * Field strength in tesla as scanners are sold: 2.89 and `"3T"` are 3, gauss (15000) is converted.
 *
 * @returns tesla; NaN when it is no plausible strength (0.01 to 25 T); null when nothing is stated
 */
export function readFieldStrength(fact: RawFact | undefined): number | null {
  if (fact === undefined) return null;
  const match = String(fact.value).trim().replace(",", ".").match(
    /^(\d+(?:\.\d+)?)\s*(?:t|tesla|g|gauss)?$/i,
  );
  let tesla = match ? Number(match[1]) : NaN;
  if (tesla >= 500) tesla /= 10_000;
  if (!(tesla >= 0.01 && tesla <= 25)) return NaN;
  const nearest = NOMINAL_TESLA.reduce((a, b) => Math.abs(b - tesla) < Math.abs(a - tesla) ? b : a);
  return Math.abs(nearest - tesla) <= 0.05 * nearest ? nearest : Number(compact(tesla, 2));
}

/** Name of the institution or site; null when nothing is stated. */
export function readInstitution({ institution }: InfoFacts): string | null {
  return institution ? cleanText(String(institution.value)) || null : null;
}
