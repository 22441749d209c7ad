import { writeFileAtomic, writeJsonAtomic } from "../../data/atomic.ts";
import {
  bootstrapInterval,
  type Curve,
  type DatasetScores,
  learningCurve,
  svgFile,
  writeMethodReport,
} from "../../evaluate/mod.ts";
import { join } from "../paths.ts";
import type { StudyTask } from "./config.ts";
import type { StudyResults, StudyScore, StudySubset } from "./results.ts";
import { METHOD_NAMES, openedText, shownSubset, studyMarkdown } from "./study_text.ts";

/**
 * Writes what a study found: `README.md` with tables and one learning curve a task (`curve_<task>.svg`), `results.json`, one line a case
 * in `results.csv`, and `report.html` with all figures, every task and number of labelled cases being a data set.
 */
export async function writeStudyReport(study: string, results: StudyResults): Promise<void> {
  const { config } = results;
  const subset = shownSubset(results);
  await writeJsonAtomic(join(study, "results.json"), results);
  await writeFileAtomic(join(study, "results.csv"), studyCsv(results));
  for (const task of config.tasks) {
    await writeFileAtomic(join(study, `curve_${task}.svg`), svgFile(taskCurve(results, task, subset)));
  }
  await writeFileAtomic(join(study, "README.md"), studyMarkdown(results));
  const datasets = comparedDatasets(results, subset);
  if (datasets.length === 0) return;
  await writeMethodReport(study, {
    title: "Low-data study",
    methods: config.methods.map((method) => METHOD_NAMES[method]),
    datasets,
    ...(config.methods.includes("scratch") ? { baseline: METHOD_NAMES.scratch } : {}),
    seed: config.seed,
    notes: [
      `${
        subset === "test" ? "Locked test" : "Development"
      } cases; the score of a case is the mean of its ${config.seeds} seeds.`,
      openedText(results),
    ],
  });
}

/** Dice of every case, mean over seeds, as CSV with a header. */
export function studyCsv({ scores }: StudyResults): string {
  const rows = scores.flatMap(({ task, labelled, method, subset, cases, perCase }) =>
    cases.map((id, i) => [task, labelled, method, subset, id, perCase[i] ?? ""].join(","))
  );
  return ["task,labelled,method,subset,case,dice", ...rows, ""].join("\n");
}

const values = ({ perCase }: StudyScore) => perCase.map((value) => value ?? NaN);

function taskCurve({ config, scores }: StudyResults, task: StudyTask, subset: StudySubset) {
  const curves = config.methods.map((method): Curve => ({
    method: METHOD_NAMES[method],
    points: scores.filter((score) =>
      score.task === task && score.method === method && score.subset === subset
    )
      .map((score) => {
        const { mean, low, high } = bootstrapInterval(values(score), { seed: config.seed });
        return { amount: score.labelled, mean, low, high };
      }),
  }));
  return learningCurve({
    name: `curve_${task}`,
    title: task,
    metric: "Dice",
    amounts: "labelled cases",
    curves,
  });
}

/** Every task and number of labelled cases that all methods finished, as a data set. */
function comparedDatasets({ config, scores }: StudyResults, subset: StudySubset): DatasetScores[] {
  return config.tasks.flatMap((task) =>
    [...new Set(scores.filter((score) => score.task === task).map(({ labelled }) => labelled))].flatMap(
      (labelled) => {
        const own = config.methods.map((method) =>
          scores.find((score) =>
            score.task === task && score.labelled === labelled && score.method === method &&
            score.subset === subset
          )
        );
        if (own.some((score) => score === undefined)) return [];
        const columns = own.map((score) => values(score!));
        return [{
          name: `${task}, ${labelled}`,
          scores: columns[0].map((_, i) => columns.map((column) => column[i])),
        }];
      },
    )
  );
}
