import type { PretrainData, PretrainEntry } from "../pretrain_data.ts";
import type { StoreVolume } from "../store_index.ts";
import { histogram, quartiles } from "./histogram.ts";
import { infoFacts } from "./info_facts.ts";
import { cleanText } from "./markup.ts";
import { MAX_AGE, OLDEST, readAge, readSex, type Sex } from "./person_facts.ts";
import type { AgeCounts, CentreBasis, ReportNumbers } from "./report_numbers.ts";
import { readFieldStrength, readInstitution, readScanner } from "./scanner_facts.ts";
import { type Category, compareText, Tally } from "./tally.ts";

/** Width of a bin of ages in years. */
const AGE_STEP = 5;

/** What is known of one subject; undefined where nothing was stated so far. */
interface Person {
  sex?: Sex;
  age?: number;
}

/** The fields of a report that describe who was scanned where and how. */
export type CohortNumbers = Pick<
  ReportNumbers,
  "centres" | "sexes" | "ages" | "scanners" | "fieldStrengths" | "modalities"
>;

/** Counts the prepared volumes and their subjects. */
export class CohortTally {
  readonly #collection: PretrainData | null;
  readonly #people = new Map<string, Person>();
  readonly #sessions = new Set<string>();
  readonly #datasets = new Set<string>();
  readonly #byDataset = new Tally();
  readonly #byInstitution = new Tally();
  readonly #scanners = new Tally();
  readonly #fields = new Tally();
  readonly #modalities = new Tally();

  constructor(collection: PretrainData | null) {
    this.#collection = collection;
  }

  /** Counts one volume; `entry` is null when the collection does not list it. */
  add(volume: StoreVolume, entry: PretrainEntry | null): void {
    let person = this.#people.get(volume.subject);
    if (!person) this.#people.set(volume.subject, person = {});
    const modality = cleanText(volume.modality);
    this.#modalities.add(modality === "" || modality.toLowerCase() === "unknown" ? null : modality);
    const dataset = entry ? this.#collection?.datasets[entry.dataset] : undefined;
    if (!entry || !dataset) {
      for (const tally of [this.#byDataset, this.#byInstitution, this.#scanners, this.#fields]) {
        tally.add(null);
      }
      return;
    }
    const subject = dataset.subjects[entry.subject], session = subject.sessions[entry.session];
    const { image_info: image } = entry.image, { session_info: visit } = session;
    this.#datasets.add(entry.dataset);
    this.#sessions.add(`${entry.subjectId}__${entry.session}`);
    this.#byDataset.add(cleanText(dataset.name ?? entry.dataset) || "(no name)");

    const scan = infoFacts(image, visit, subject.subject_info, dataset.dataset_info);
    this.#byInstitution.add(readInstitution(scan));
    this.#scanners.add(readScanner(scan));
    const tesla = readFieldStrength(scan.fieldStrength);
    this.#fields.add(tesla === null ? null : Number.isNaN(tesla) ? "not recognised" : `${tesla} T`);
    if (person.sex === undefined || person.age === undefined) {
      const about = infoFacts(subject.subject_info, visit, image);
      person.sex ??= readSex(about.sex) ?? undefined;
      person.age ??= readAge(about.age) ?? undefined;
    }
  }

  get subjects(): number {
    return this.#people.size;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  get datasets(): number {
    return this.#datasets.size;
  }

  /** @param centre what a centre is; left out: institutions where at least half of the volumes name one, data sets otherwise */
  result(centre?: CentreBasis): CohortNumbers {
    const institutions = this.#byInstitution.result();
    const stated = institutions.categories.reduce((sum, { count }) => sum + count, 0);
    const basis = centre ?? (stated > 0 && stated >= institutions.notStated ? "institution" : "dataset");
    const centres = basis === "institution" ? institutions : this.#byDataset.result();
    return {
      centres: { basis, ...centres },
      ...this.#personNumbers(),
      scanners: this.#scanners.result(),
      fieldStrengths: this.#fields.result(byLeadingNumber),
      modalities: this.#modalities.result(),
    };
  }

  #personNumbers(): { sexes: CohortNumbers["sexes"]; ages: AgeCounts } {
    const sexes = new Tally(), ages: number[] = [];
    let notStated = 0, notRecognised = 0;
    for (const { sex, age } of this.#people.values()) {
      sexes.add(sex ?? null);
      if (age === undefined) notStated++;
      else if (Number.isNaN(age)) notRecognised++;
      else ages.push(age);
    }
    const sorted = Float64Array.from(ages).sort();
    const counts: AgeCounts = {
      histogram: ageHistogram(sorted),
      quartiles: quartiles(sorted),
      stated: sorted.length,
      notRecognised,
      notStated,
    };
    return { sexes: sexes.result(), ages: counts };
  }
}

/** Ages up to 89 in bins of five years, older ones above. */
function ageHistogram(sorted: Float64Array) {
  const inBins = sorted.filter((age) => age <= MAX_AGE);
  return { ...histogram(inBins, 0, OLDEST, AGE_STEP), above: sorted.length - inBins.length };
}

/** `1.5 T` before `3 T`, names without a number last. */
function byLeadingNumber(a: Category, b: Category): number {
  const left = parseFloat(a.name), right = parseFloat(b.name);
  if (Number.isNaN(left) || Number.isNaN(right)) {
    return Number(Number.isNaN(left)) - Number(Number.isNaN(right));
  }
  return left - right || compareText(a.name, b.name);
}
