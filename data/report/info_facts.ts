/** What a report looks for in the free-form objects of a collection. */
export type InfoField =
  | "age"
  | "sex"
  | "manufacturer"
  | "model"
  | "scanner"
  | "fieldStrength"
  | "institution";

/** A value as the file has it, with the unit that its key names. */
export interface RawFact {
  readonly value: string | number;
  /** years when the key names no unit */
  readonly unit: AgeUnit;
}

/** Unit of an age. */
export type AgeUnit = "years" | "months" | "weeks" | "days";

/** The first stated value of each field. */
export type InfoFacts = { [Field in InfoField]?: RawFact };

/** Free-form objects of pretrain_data.json: image_info, session_info, subject_info, dataset_info. */
export type FreeForm = Readonly<Record<string, unknown>> | null | undefined;

/**
 * Keys in lower case without separators: BIDS sidecars (ManufacturersModelName), DICOM (PatientSex), participants.tsv and the snake-case
 * names of nnssl collections. `age at onset`, `at diagnosis` or `at death` is not the age in the scanner.
 */
const KEYS: readonly (readonly [InfoField, RegExp])[] = [
  [
    "age",
    /^(patients?|participants?|subjects?)?age(at|when)?(first|baseline)?(scan|scanned|scanning|mri?|mriscan|imaging|visit|session|acquisition|baseline|entry|enrol?lment|inclusion|testing|assessment|study)?(in)?(years?|yrs?|y|months?|mos?|weeks?|wks?|days?)?$/,
  ],
  ["sex", /^(patients?|participants?|subjects?|biological)?(sex|gender)$/],
  ["manufacturer", /^(scanner|device|mri?)?(manufacturer|vendor)s?(name)?$/],
  ["model", /^(manufacturers?|scanner|device)?model(name)?$/],
  ["scanner", /^(mri?)?scanner(name|type)?$/],
  [
    "fieldStrength",
    /^(magnetic|scanner|mri?|b0)?field(strength)?(t|tesla|intesla)?$|^magneticfieldstrength(t|tesla)?$/,
  ],
  [
    "institution",
    /^institution(al)?(name)?$|^(acquisition|imaging|study|scan|scanner)?(site|cent(er|re))(name|id)?$|^hospital(name)?$/,
  ],
];

const NOT_STATED =
  /^(|n\/?a\.?|nan|null|none|nil|unknown|undefined|not (stated|known|available|given|specified|applicable)|missing|unspecified|anonym(ous|i[sz]ed)|removed|redacted|-+|\?+|\.)$/i;

const known = new Map<string, { field: InfoField; unit: AgeUnit } | null>();

function meaningOf(key: string): { field: InfoField; unit: AgeUnit } | null {
  let meaning = known.get(key);
  if (meaning === undefined) {
    const plain = key.toLowerCase().replace(/[^a-z0-9]/g, "");
    const field = KEYS.find(([, pattern]) => pattern.test(plain))?.[0];
    meaning = field ? { field, unit: field === "age" ? unitOf(plain) : "years" } : null;
    if (known.size < 10_000) known.set(key, meaning);
  }
  return meaning;
}

function unitOf(plainKey: string): AgeUnit {
  if (/(months?|mos?)$/.test(plainKey)) return "months";
  if (/(weeks?|wks?)$/.test(plainKey)) return "weeks";
  return /days?$/.test(plainKey) ? "days" : "years";
}

/** Whether a value says something: no null, no empty text, no "n/a", no "unknown". */
export function isStated(value: unknown): value is string | number {
  if (typeof value === "number") return Number.isFinite(value);
  return typeof value === "string" && !NOT_STATED.test(value.trim());
}

/**
 * Finds age, sex, scanner and institution in free-form objects, whichever spelling their keys have.
 *
 * @param infos in order of trust: the first one that states a field wins
 */
export function infoFacts(...infos: readonly FreeForm[]): InfoFacts {
  const facts: InfoFacts = {};
  for (const info of infos) {
    if (!info) continue;
    for (const key of Object.keys(info)) {
      const meaning = meaningOf(key);
      if (!meaning || facts[meaning.field] !== undefined) continue;
      const value = info[key];
      if (isStated(value)) facts[meaning.field] = { value, unit: meaning.unit };
    }
  }
  return facts;
}
