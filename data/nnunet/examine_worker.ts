/// <reference lib="deno.worker" />
/** Worker of `examineDataset`: looks into one case after the other on its own thread. */
import { serveTasks } from "../serve_tasks.ts";
import { examineCase, type ExaminedCase, type ExamineSettings, type ExamineTask } from "./examine_case.ts";

serveTasks<ExamineSettings, ExamineTask, ExaminedCase>(
  self,
  (settings) => Promise.resolve({ work: (task) => examineCase(task, settings) }),
);
