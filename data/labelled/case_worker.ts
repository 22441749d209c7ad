/// <reference lib="deno.worker" />
/** Worker of `prepareLabelled`: prepares one case after the other on its own thread. */
import { serveTasks } from "../serve_tasks.ts";
import { type CaseSettings, type CaseTask, prepareCase, type PreparedCase } from "./prepare_case.ts";

serveTasks<CaseSettings, CaseTask, PreparedCase>(
  self,
  (settings) => Promise.resolve({ work: (task) => prepareCase(task, settings) }),
);
