import { compile } from "../kernels/graph/plan.ts";
import type { DeviceFacts, Plan } from "../kernels/spec.ts";
import type { RunConfig } from "./config.ts";
import type { PretrainGraph } from "./step.ts";

/**
 * Plans a run's graph within the memory that its configuration allows.
 *
 * @throws {LimitError} when a tensor exceeds the device, or the run its memory limit, recomputing included
 * @throws {PlanError} when the configuration's tuning table belongs to another adapter
 */
export function compileRun(
  { graph, phases }: Pick<PretrainGraph, "graph" | "phases">,
  { memory: { limit, recompute }, tuning }: Pick<RunConfig, "memory" | "tuning">,
  device: DeviceFacts,
): Plan {
  const memoryBudget = limit === null ? undefined : Math.floor(limit * 2 ** 30);
  return compile(graph, { device, phases, recompute, memoryBudget, tuning: tuning ?? undefined });
}
