import { ADAPTATION_PLAN_KEY, adaptationPlan, type PretrainPlan } from "./adaptation_plan.ts";
import { loadState, writeState } from "./checkpoint_state.ts";
import type { PretrainSession } from "./session.ts";
import { maeConfig } from "./step.ts";

/** Version of the file's content; stands in its metadata. */
const FORMAT = "spark3d-checkpoint-1";

/** Where a run stands. Patches, masks and augmentations depend on (seed, step) alone, so this is all there is to resume. */
export interface Progress {
  /** Completed optimiser steps. */
  readonly step: number;
  /** Lowest validation loss so far, null before the first validation. */
  readonly bestValLoss: number | null;
}

/**
 * Writes weights, optimiser state, loss scale and progress as safetensors, atomically. Equal state gives equal bytes.
 *
 * Metadata: `format`, `step`, `bestValLoss`, `seed`, `config` (JSON) and `nnssl_adaptation_plan` (JSON).
 *
 * @param data plan of the store that the run learns from
 * @throws {DataError} when the folder is not writable or the disk is full
 */
export async function saveCheckpoint(
  path: string,
  session: PretrainSession,
  progress: Progress,
  data: PretrainPlan,
): Promise<void> {
  const { config } = session;
  await writeState(path, session, {
    format: FORMAT,
    step: String(progress.step),
    bestValLoss: JSON.stringify(progress.bestValLoss),
    [ADAPTATION_PLAN_KEY]: JSON.stringify(adaptationPlan(maeConfig(config).network, config.patch, data)),
  });
}

/**
 * Loads a checkpoint into a session.
 *
 * @throws {CheckpointError} when the file belongs to another network, optimiser or precision
 * @throws {SafetensorsError | DataError} when it cannot be read
 */
export async function loadCheckpoint(path: string, session: PretrainSession): Promise<Progress> {
  const metadata = await loadState(path, session, { format: FORMAT });
  return { step: Number(metadata.step), bestValLoss: JSON.parse(metadata.bestValLoss) };
}
