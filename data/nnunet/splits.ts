import { writeJsonAtomic } from "../atomic.ts";
import { byCodePoint } from "../code_point_order.ts";
import { z } from "../deps.ts";
import { DataError } from "../errors.ts";
import { Mt19937 } from "../mt19937.ts";
import { readJsonFile } from "./read_json_file.ts";

/** Case ids of one fold, each list ascending. */
export interface CaseSplit {
  readonly train: readonly string[];
  readonly val: readonly string[];
}

/** Number of folds of nnU-Net's cross-validation. */
export const FOLDS = 5;
/** Seed of nnU-Net's splits. */
export const SPLIT_SEED = 12345;

/**
 * The five-fold split of nnU-Net: ids ascending, indices shuffled by a Mersenne Twister seeded 12345, fold f validates on the f-th
 * stretch of them.
 *
 * @param caseIds at least five, in any order
 * @throws {DataError} for fewer
 * Source: scikit-learn `KFold(5, shuffle=True, random_state=12345)`, as nnU-Net v2 `utilities/crossval_split.py` calls it
 */
export function crossValidationSplits(caseIds: Iterable<string>): CaseSplit[] {
  const ids = sortedIds(caseIds);
  if (ids.length < FOLDS) throw tooFewCases(ids.length);
  const order = shuffled(ids.length, Mt19937.fromSeed(SPLIT_SEED));
  let start = 0;
  return Array.from({ length: FOLDS }, (_, fold) => {
    const size = Math.floor(ids.length / FOLDS) + (fold < ids.length % FOLDS ? 1 : 0);
    const chosen = new Set(order.subarray(start, start += size));
    return {
      train: ids.filter((_, i) => !chosen.has(i)),
      val: ids.filter((_, i) => chosen.has(i)),
    };
  });
}

/**
 * The cases of one fold.
 *
 * @param caseIds every labelled case
 * @param splits content of splits_final.json
 * @param fold from 0; "all" trains and validates on every case; a number beyond the stored folds draws 80:20 with seed 12345 + fold
 * @throws {DataError} for one of the five folds without stored ones, a negative or fractional fold, or too few cases to draw from
 */
export function foldOf(
  caseIds: Iterable<string>,
  splits: readonly CaseSplit[],
  fold: number | "all",
): CaseSplit {
  const ids = sortedIds(caseIds);
  if (fold === "all") return { train: ids, val: ids };
  if (fold in splits) return splits[fold];
  if (splits.length === 0 && fold < FOLDS) throw tooFewCases(ids.length);
  const drawn = Math.floor(ids.length * 0.8);
  if (!Number.isInteger(fold) || fold < 0 || drawn < 1) {
    throw new DataError({
      file: "the cases",
      action: "split",
      found: `fold ${fold} of ${ids.length} cases`,
      wanted: `fold 0 to ${splits.length - 1}, or all`,
      remedy: "choose another fold",
    });
  }
  const chosen = new Set(shuffled(ids.length, Mt19937.fromSeed(SPLIT_SEED + fold)).subarray(0, drawn));
  return { train: ids.filter((_, i) => chosen.has(i)), val: ids.filter((_, i) => !chosen.has(i)) };
}

const splitsSchema = z.array(z.object({ train: z.array(z.string()), val: z.array(z.string()) })).min(1);

/**
 * Reads splits_final.json and checks it against the cases of the data set.
 *
 * @throws {DataError} when it is no list of folds, a fold is empty, names an unknown case, a case twice, or one on both sides
 */
export async function readSplits(path: string, caseIds: Iterable<string>): Promise<CaseSplit[]> {
  const wanted = "a list of folds, each with the case ids of train and val";
  const refuse = (found: string, remedy: string): never => {
    throw new DataError({ file: path, found, wanted, remedy });
  };
  const parsed = splitsSchema.safeParse(await readJsonFile(path));
  if (!parsed.success) {
    const { path: where, message } = parsed.error.issues[0];
    return refuse(`${where.join(".") || "the file"}: ${message}`, "correct or remove the file");
  }
  const known = new Set(caseIds);
  for (const [fold, { train, val }] of parsed.data.entries()) {
    if (train.length === 0 || val.length === 0) {
      refuse(`fold ${fold} with an empty side`, "fill or remove it");
    }
    const unknown = [...train, ...val].find((id) => !known.has(id));
    if (unknown !== undefined) {
      refuse(`case ${unknown} in fold ${fold}, which the data set lacks`, "remove it, or add the case");
    }
    const seen = new Set<string>();
    for (const id of [...train, ...val]) {
      if (seen.has(id)) refuse(`case ${id} twice in fold ${fold}`, "name each case on one side, once");
      seen.add(id);
    }
  }
  return parsed.data.map(({ train, val }) => ({ train: sortedIds(train), val: sortedIds(val) }));
}

/** Writes splits_final.json, atomically. @throws {DataError} when the file cannot be written */
export function writeSplits(path: string, splits: readonly CaseSplit[]): Promise<void> {
  return writeJsonAtomic(path, splits);
}

function tooFewCases(count: number): DataError {
  return new DataError({
    file: "the cases",
    action: "split",
    found: `${count} labelled cases`,
    wanted: `at least ${FOLDS} for ${FOLDS} folds`,
    remedy: "train on fold all, or write splits_final.json yourself",
  });
}

function sortedIds(caseIds: Iterable<string>): string[] {
  return [...new Set(caseIds)].sort(byCodePoint);
}

/** 0 to n - 1 in the order of numpy's `RandomState.shuffle`: Fisher and Yates from the end. */
function shuffled(n: number, random: Mt19937): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = random.upTo(i);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
