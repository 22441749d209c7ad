import {
  type BootstrapInterval,
  compareMethods,
  type MethodComparison,
  nestedBootstrapInterval,
} from "../../evaluate/mod.ts";
import { exists, join, readJson } from "../paths.ts";
import type { StudyConfig, StudyMethod, StudyTask } from "./config.ts";
import { type FinalUse, finalUses } from "./final_record.ts";
import { type StudyChoice, type StudyJob, studyJobs } from "./jobs.ts";

/** Set of cases that results are about. */
export type StudySubset = "development" | "test";

/** Scores of one method with one number of labelled cases. */
export interface StudyScore {
  readonly task: StudyTask;
  readonly labelled: number;
  readonly method: StudyMethod;
  readonly subset: StudySubset;
  /** Mean Dice over cases of each seed. */
  readonly seeds: readonly number[];
  /** Mean over seeds. */
  readonly dice: number;
  /** Mean Dice of each case with each seed, `[seeds][cases]`; null where no class is defined. */
  readonly perRun: readonly (readonly (number | null)[])[];
  /** Mean Dice over seeds of each case, in order of `cases`; null where no class is defined. */
  readonly perCase: readonly (number | null)[];
  readonly cases: readonly string[];
}

/** A method against training from scratch, on the same cases and with the same numbers of labels. */
export interface StudyDifference {
  readonly task: StudyTask;
  readonly labelled: number;
  readonly method: StudyMethod;
  readonly subset: StudySubset;
  /** Mean difference of runs with the same seed on the same case; the interval draws seeds and cases. */
  readonly interval: BootstrapInterval;
  /** Tests paired over cases, each the mean of its seeds. */
  readonly comparison: MethodComparison;
}

/** What a study found. */
export interface StudyResults {
  readonly config: StudyConfig;
  /** What every task uses for every method, and why. */
  readonly choices: readonly StudyChoice[];
  readonly scores: readonly StudyScore[];
  readonly differences: readonly StudyDifference[];
  /** Every time the locked test cases were opened. */
  readonly finalUses: readonly FinalUse[];
}

type CaseScores = Readonly<Record<string, number | null>>;

/** Path of the scores of a run's cases. */
const scoresPath = (study: string, folder: string, subset: StudySubset) =>
  join(study, folder, subset, "scores.json");

/** Mean Dice of a run over its development cases; 0 where no case has a class. */
export async function developmentDice(study: string, folder: string): Promise<number> {
  const scores = await readJson(scoresPath(study, folder, "development")) as CaseScores;
  return meanOf(Object.values(scores)) ?? 0;
}

/** Reads the scores of all finished runs of the comparison and compares the methods. */
export async function collectResults(
  study: string,
  config: StudyConfig,
  choices: readonly StudyChoice[],
): Promise<StudyResults> {
  const scores: StudyScore[] = [];
  for (const subset of ["development", "test"] as const) {
    for (const group of groups(studyJobs(config, choices))) {
      const found: CaseScores[] = [];
      for (const job of group) {
        const path = scoresPath(study, job.folder, subset);
        if (await exists(path)) found.push(await readJson(path) as CaseScores);
      }
      if (found.length > 0) scores.push(scoreOf(group[0], subset, found));
    }
  }
  return {
    config,
    choices,
    scores,
    differences: differencesOf(scores, config.seed),
    finalUses: await finalUses(study),
  };
}

/** Runs that differ in their seed only. */
function groups(jobs: readonly StudyJob[]): StudyJob[][] {
  const found = new Map<string, StudyJob[]>();
  for (const job of jobs) {
    const key = `${job.task} ${job.labelled} ${job.method}`;
    found.set(key, [...found.get(key) ?? [], job]);
  }
  return [...found.values()];
}

function scoreOf(
  { task, labelled, method }: StudyJob,
  subset: StudySubset,
  seeds: readonly CaseScores[],
): StudyScore {
  const cases = Object.keys(seeds[0]).sort();
  const perCase = cases.map((id) => meanOf(seeds.map((scores) => scores[id] ?? null)));
  const perRun = seeds.map((scores) => cases.map((id) => scores[id] ?? null));
  const perSeed = seeds.map((scores) => meanOf(cases.map((id) => scores[id] ?? null)) ?? NaN);
  return {
    task,
    labelled,
    method,
    subset,
    cases,
    perCase,
    perRun,
    seeds: perSeed,
    dice: meanOf(perSeed) ?? NaN,
  };
}

/** Mean of what is defined, null when nothing is. */
function meanOf(values: readonly (number | null)[]): number | null {
  const defined = values.filter((value): value is number => value !== null && !Number.isNaN(value));
  return defined.length === 0 ? null : defined.reduce((sum, value) => sum + value, 0) / defined.length;
}

function differencesOf(scores: readonly StudyScore[], seed: number): StudyDifference[] {
  return scores.filter(({ method }) => method !== "scratch").flatMap((own) => {
    const { task, labelled, method, subset } = own;
    const scratch = scores.find((other) =>
      other.method === "scratch" && other.task === task && other.labelled === labelled &&
      other.subset === subset
    );
    if (!scratch) return [];
    const undefinedAsNaN = (values: readonly (number | null)[]) => values.map((value) => value ?? NaN);
    const other = own.cases.map((id) => scratch.perCase[scratch.cases.indexOf(id)] ?? null);
    const comparison = compareMethods(undefinedAsNaN(own.perCase), undefinedAsNaN(other), { seed });
    const runs = Math.min(own.perRun.length, scratch.perRun.length);
    const paired = Array.from(
      { length: runs },
      (_, seed) =>
        own.cases.map((id, i) =>
          (own.perRun[seed][i] ?? NaN) - (scratch.perRun[seed][scratch.cases.indexOf(id)] ?? NaN)
        ),
    );
    const interval = nestedBootstrapInterval(paired, { seed });
    return [{ task, labelled, method, subset, interval, comparison }];
  });
}
