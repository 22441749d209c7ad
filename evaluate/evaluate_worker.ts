/// <reference lib="deno.worker" />
/** Worker of `evaluateFolder`: evaluates one pair of files after the other on its own thread. */
import { serveTasks } from "../data/serve_tasks.ts";
import { evaluatePair, type PairSettings, type PairTask } from "./evaluate_pair.ts";
import type { EvaluatedCase } from "./types.ts";

serveTasks<PairSettings, PairTask, EvaluatedCase>(
  self,
  (settings) => Promise.resolve({ work: (task) => evaluatePair(task, settings) }),
);
