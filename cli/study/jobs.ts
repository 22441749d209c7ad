import type { StudyCandidate, StudyConfig, StudyMethod, StudyTask } from "./config.ts";

/** One fine-tuning run of a study. */
export interface StudyJob {
  readonly task: StudyTask;
  readonly method: StudyMethod;
  readonly candidate: StudyCandidate;
  /** Number of labelled cases. */
  readonly labelled: number;
  /** 0, 1, ... */
  readonly seed: number;
  /** Run folder, relative to the study. */
  readonly folder: string;
}

/** Which candidate a task uses for a method. */
export interface StudyChoice {
  readonly task: StudyTask;
  readonly method: StudyMethod;
  readonly chosen: StudyCandidate;
  /** Mean Dice on the development cases, in order of the candidates; empty where there was nothing to choose. */
  readonly scores: readonly { readonly candidate: string; readonly dice: number }[];
}

/** Numbers of labelled cases of a task: the half-head task has one case. */
const labelledCounts = (task: StudyTask, counts: readonly number[]) => task === "half-head" ? [1] : counts;

/**
 * Runs that choose among the candidates of each method, none for a method with a single one. Their seed is one that no run of the
 * comparison has.
 */
export function choiceJobs(config: StudyConfig): StudyJob[] {
  const { tasks, methods, candidates, choiceLabelled, seeds: seed } = config;
  return tasks.flatMap((task) =>
    methods.filter((method) => candidates[method].length > 1).flatMap((method) =>
      candidates[method].map((candidate) => ({
        task,
        method,
        candidate,
        labelled: labelledCounts(task, [choiceLabelled])[0],
        seed,
        folder: `choice/${task}/${method}/${candidate.name}`,
      }))
    )
  );
}

/**
 * Takes the candidate with the highest score for every task and method, the first of equals.
 *
 * @param score mean Dice on the development cases of a run of {@linkcode choiceJobs}
 */
export function chooseCandidates(config: StudyConfig, score: (job: StudyJob) => number): StudyChoice[] {
  const jobs = choiceJobs(config);
  return config.tasks.flatMap((task) =>
    config.methods.map((method) => {
      const own = jobs.filter((job) => job.task === task && job.method === method);
      const scores = own.map((job) => ({ candidate: job.candidate.name, dice: score(job) }));
      const best = scores.reduce((best, { dice }, i) => dice > scores[best].dice ? i : best, 0);
      return { task, method, chosen: config.candidates[method][best], scores };
    })
  );
}

/** All runs of the comparison, seeds outermost, so that a study that is cut short has whole seeds. */
export function studyJobs(
  { tasks, methods, labelled, seeds }: StudyConfig,
  choices: readonly StudyChoice[],
): StudyJob[] {
  const chosenFor = (task: StudyTask, method: StudyMethod) =>
    choices.find((choice) => choice.task === task && choice.method === method)!.chosen;
  return Array.from({ length: seeds }, (_, seed) => seed).flatMap((seed) =>
    tasks.flatMap((task) =>
      labelledCounts(task, labelled).flatMap((labelled) =>
        methods.map((method) => ({
          task,
          method,
          candidate: chosenFor(task, method),
          labelled,
          seed,
          folder: `runs/${task}/${method}/n${labelled}/seed${seed}`,
        }))
      )
    )
  );
}
