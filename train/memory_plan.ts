/** A compiled plan's device memory as plain data for a picture of it (`plan.json`). Sizes in bytes. */

/** Value of `format` in plan.json. */
export const MEMORY_PLAN_FORMAT = "spark3d-plan-1";

/** What lies in a slot for a time: a tensor, or several of one part of the network one after another. */
export interface SlotTenant {
  /** Node that made it, for example `encoder.stages.0.blocks.1.conv1/conv3d`, or part of the network. */
  readonly name: string;
  readonly phase: string;
  /** First and last dispatch that touches it, from 0 within its phase. */
  readonly first: number;
  readonly last: number;
  readonly bytes: number;
}

/** Where memory goes. Slots are there all the time and shared by all phases, of which one runs at a time. */
export interface MemoryPlan {
  readonly format: typeof MEMORY_PLAN_FORMAT;
  /** Sum of all segments and slots. */
  readonly peakBytes: number;
  /** Memory that is held from first to last: weights, gradients, states (optimizer, loss scale, metrics), inputs, outputs. */
  readonly segments: readonly { readonly name: string; readonly bytes: number }[];
  /** Largest first. */
  readonly slots: readonly { readonly bytes: number; readonly tenants: readonly SlotTenant[] }[];
  /** In order of the plan; `flop` of one run of the phase. */
  readonly phases: readonly { readonly name: string; readonly dispatches: number; readonly flop: number }[];
}
