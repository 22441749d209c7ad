/** GPU compute: graphs, plans, execution and the operations of 3D convolutional networks. */
export * from "./errors.ts";
export * from "./spec.ts";
export {
  Graph,
  type Init,
  type Node,
  Scope,
  type Segment,
  type Value,
  type ValueRole,
} from "./graph/graph.ts";
export { differentiate, type DifferentiateOptions } from "./graph/gradient.ts";
export { interpret } from "./graph/interpret.ts";
export { compile, type CompileOptions } from "./graph/plan.ts";
export { formatFlop, mermaidPhase, planByOperation, printPhase, summarizePlan } from "./graph/print.ts";
export { verifyPlan } from "./graph/verify.ts";
export { ADAPTER_CHOICES, type AdapterChoice, adapterChoice } from "./runtime/provider.ts";
export { adapterFacts, type Gpu, openGpu, type OpenGpuOptions, requestAdapter } from "./runtime/device.ts";
export { type DispatchTime, Executor, type ExecutorOptions } from "./runtime/executor.ts";
export type { ProfileClock } from "./runtime/profile.ts";
export { ParameterStore } from "./runtime/parameters.ts";
export { StagingRing } from "./runtime/transfer.ts";
export * from "./ops/mod.ts";
