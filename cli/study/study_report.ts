import { writeFileAtomic, writeJsonAtomic } from "../../data/atomic.ts";
import { join } from "../paths.ts";
import type { StudyResults } from "./results.ts";
import { studyMarkdown } from "./study_text.ts";

/** Writes what a study found: results.json, one line per case in results.csv, tables in README.md. */
export async function writeStudyReport(study: string, results: StudyResults): Promise<void> {
  await writeJsonAtomic(join(study, "results.json"), results);
  await writeFileAtomic(join(study, "results.csv"), studyCsv(results));
  await writeFileAtomic(join(study, "README.md"), studyMarkdown(results));
}

/** Dice of every case, mean over seeds, as CSV with a header. */
export function studyCsv({ scores }: StudyResults): string {
  const rows = scores.flatMap(({ task, labelled, method, subset, cases, perCase }) =>
    cases.map((id, i) => [task, labelled, method, subset, id, perCase[i] ?? ""].join(","))
  );
  return ["task,labelled,method,subset,case,dice", ...rows, ""].join("\n");
}
