import type { StudyDifference, StudyResults, StudyScore, StudySubset } from "./results.ts";

/** Names of methods in tables. */
export const METHOD_NAMES = { scratch: "from scratch", mae: "MAE", s3d: "S3D" } as const;

/** The subset that a summary shows: the locked test cases once they were opened. */
export function shownSubset({ scores }: StudyResults): StudySubset {
  return scores.some(({ subset }) => subset === "test") ? "test" : "development";
}

/** The results of a study as lines of text. */
export function studyText(study: string, results: StudyResults): string {
  const subset = shownSubset(results);
  const lines = results.scores.filter((score) => score.subset === subset).map((score) => {
    const difference = differenceOf(results, score);
    return `${score.task}, ${score.labelled} labelled, ${METHOD_NAMES[score.method]}: Dice ${
      dice(score.dice)
    }` +
      (difference ? `, against scratch ${interval(difference)}` : "");
  });
  return [...lines, `${subset} cases; report ${study}/report.html, tables ${study}/README.md`].join("\n");
}

/** Whether, and when, the locked test cases were opened. */
export function openedText({ finalUses }: StudyResults): string {
  if (finalUses.length === 0) return "The locked test cases have not been opened.";
  return `The locked test cases were opened ${times(finalUses.length)}: ${
    finalUses.map(({ time }) => time).join(", ")
  }.`;
}

/** The results of a study as Markdown. */
export function studyMarkdown(results: StudyResults): string {
  const { config } = results;
  const subsets = (["test", "development"] as const).filter((subset) =>
    results.scores.some((score) => score.subset === subset)
  );
  const { cohort } = config;
  return [
    "# Low-data study",
    "",
    `Tasks ${
      config.tasks.join(", ")
    }; ${config.seeds} seeds; ${cohort.unlabelled} generated unlabelled heads for pre-training` +
    `${
      config.unlabelled === null ? "" : " and a folder of real volumes"
    }, ${cohort.pool} labelled heads in the pool, ` +
    `${cohort.development} for choices, ${cohort.test} locked for the test, ${config.spacing} mm.`,
    "",
    openedText(results),
    "",
    ...config.tasks.map((task) => `![${task}](curve_${task}.svg)`),
    ...choicesTable(results),
    ...subsets.flatMap((
      subset,
    ) => ["", `## ${subset === "test" ? "Test" : "Development"} cases`, "", ...table(results, subset)]),
    "",
    "Dice: mean over classes, cases and seeds, x 100, with the lowest and highest seed. Difference: paired over cases and seeds, with the " +
    "95 % interval of the mean over seeds and cases drawn with replacement (percentile bootstrap). With so few of either it is narrower " +
    "than it should be. Cases in which no class is defined are left out.",
    "",
  ].join("\n");
}

/** Scores of the candidates, where there were several. */
function choicesTable({ config, choices }: StudyResults): string[] {
  const rows = choices.flatMap(({ task, method, chosen, scores }) =>
    scores.map(({ candidate, dice: score }) => {
      const shown = candidate === chosen.name ? `**${dice(score)}**` : dice(score);
      return `| ${task} | ${METHOD_NAMES[method]} | ${candidate} | ${shown} |`;
    })
  );
  if (rows.length === 0) return [];
  const { seeds, choiceLabelled } = config;
  return [
    "",
    "## Choice of settings",
    "",
    `One run each (seed ${seeds}, ${choiceLabelled} labelled cases, 1 in half-head), scored on the development cases. ` +
    "What is in bold is used.",
    "",
    "| task | method | candidate | Dice |",
    "|---|---|---|---|",
    ...rows,
  ];
}

function table(results: StudyResults, subset: StudySubset): string[] {
  const rows = results.scores.filter((score) => score.subset === subset).map((score) => {
    const difference = differenceOf(results, score);
    const range = `${dice(Math.min(...score.seeds))} to ${dice(Math.max(...score.seeds))}`;
    return `| ${score.task} | ${score.labelled} | ${METHOD_NAMES[score.method]} | ${
      dice(score.dice)
    } (${range}) | ` +
      `${difference ? interval(difference) : ""} | ${score.cases.length} |`;
  });
  return [
    "| task | labelled | method | Dice | difference to scratch | cases |",
    "|---|---|---|---|---|---|",
    ...rows,
  ];
}

function differenceOf({ differences }: StudyResults, score: StudyScore): StudyDifference | undefined {
  return differences.find(({ task, labelled, method, subset }) =>
    task === score.task && labelled === score.labelled && method === score.method && subset === score.subset
  );
}

const dice = (value: number) => (100 * value).toFixed(2);
const signed = (value: number) => `${value < 0 ? "" : "+"}${dice(value)}`;
const interval = ({ interval: { mean, low, high } }: StudyDifference) =>
  `${signed(mean)} (${signed(low)} to ${signed(high)})`;
const times = (count: number) => count === 1 ? "once" : `${count} times`;
