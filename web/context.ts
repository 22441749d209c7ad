import type { LiveHub } from "./runs/live_hub.ts";
import type { RunStore } from "./runs/run_store.ts";

/** What every route of one dashboard shares. */
export interface DashboardContext {
  /** Folders that are shown, as real absolute paths; the first is the main one. */
  readonly roots: readonly string[];
  /** Whether runs may be stopped, asked for a checkpoint, and annotated. */
  readonly allowControl: boolean;
  /** The runs below the roots. */
  readonly runs: RunStore;
  /** What happens to them. */
  readonly live: LiveHub;
  /** Version of Spark3D. */
  readonly version: string;
}
