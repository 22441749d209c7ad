import { byCodePoint } from "./code_point_order.ts";
import { PythonRandom } from "./mersenne_twister.ts";

/** Subject ids (`collection__dataset__subject`) for training and validation, each sorted; the content of splits_final.json. */
export interface SubjectSplit {
  readonly train: readonly string[];
  readonly val: readonly string[];
}

/** Seed of the split in the reference. */
export const SPLIT_SEED = 12345;

/**
 * Number of validation subjects: `min(1000, max(floor(N / 100), 5))`, but at most a quarter of the subjects and at least one.
 *
 * The cap is ours: without it a cohort of five or fewer subjects would have none left to train on. From 20 subjects on it changes nothing.
 */
export function validationCount(subjects: number): number {
  const reference = Math.min(1000, Math.max(Math.floor(subjects / 100), 5));
  return Math.min(reference, Math.max(1, Math.floor(subjects / 4)));
}

/**
 * Splits by subject, drawing as Python's `random.Random(12345).sample(sorted ids, n)` does.
 *
 * @param subjectIds any order, repeats allowed
 * @returns disjoint parts; a single subject is in both
 * @throws {RangeError} without subjects
 */
export function splitSubjects(subjectIds: Iterable<string>, seed = SPLIT_SEED): SubjectSplit {
  const sorted = [...new Set(subjectIds)].sort(byCodePoint);
  if (sorted.length === 0) throw new RangeError("Cannot split: found no subject, wanted at least one");
  if (sorted.length === 1) return { train: sorted, val: sorted };
  const chosen = new Set(new PythonRandom(seed).sample(sorted, validationCount(sorted.length)));
  return {
    train: sorted.filter((id) => !chosen.has(id)),
    val: sorted.filter((id) => chosen.has(id)),
  };
}

/**
 * Brings a stored split up to date: subjects that are gone leave it, new subjects go to training, nobody changes sides.
 *
 * @returns null when a side would be empty, so that a new split is needed
 */
export function reuseSplit(stored: SubjectSplit, subjectIds: Iterable<string>): SubjectSplit | null {
  const present = new Set(subjectIds);
  const storedTrain = new Set(stored.train);
  const val = stored.val.filter((id) => present.has(id));
  if (present.size > 1 && val.some((id) => storedTrain.has(id))) return null; // made when there was one subject only
  const inVal = new Set(val);
  const train = present.size === 1
    ? [...present]
    : [...present].filter((id) => !inVal.has(id)).sort(byCodePoint);
  return train.length === 0 || val.length === 0 ? null : { train, val };
}
