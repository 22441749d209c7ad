import { readSafetensors, writeSafetensors } from "../data/safetensors_file.ts";
import type { RunConfig } from "./config.ts";
import type { PretrainSession } from "./session.ts";
import { maeConfig } from "./step.ts";

/** Where a run stands. Patches, masks and augmentations depend on (seed, step) alone, so this is all there is to resume. */
export interface Progress {
  /** Completed optimiser steps. */
  readonly step: number;
  /** Lowest validation loss so far, null before the first validation. */
  readonly bestValLoss: number | null;
}

/** A checkpoint that cannot be used. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
  constructor(message: string, readonly path: string) {
    super(message);
  }
}

/**
 * Writes weights, optimiser state and progress as safetensors, atomically. Equal state gives equal bytes.
 *
 * Metadata: `format`, `step`, `bestValLoss`, `seed`, `config` (JSON) and `nnssl_adaptation_plan` (JSON).
 * @throws {DataError} when the folder is not writable or the disk is full
 */
export async function saveCheckpoint(
  path: string,
  session: PretrainSession,
  progress: Progress,
): Promise<void> {
  const state = await session.exportState();
  await writeSafetensors(
    path,
    new Map([...state].map(([name, { shape, data }]) => [name, { dtype: "F32" as const, shape, data }])),
    {
      format: "spark3d-checkpoint-1",
      step: String(progress.step),
      bestValLoss: JSON.stringify(progress.bestValLoss),
      seed: String(session.config.seed),
      config: JSON.stringify(session.config),
      nnssl_adaptation_plan: JSON.stringify(adaptationPlan(session.config)),
    },
  );
}

/**
 * Loads a checkpoint into a session.
 *
 * @throws {CheckpointError} when the file belongs to another network or optimiser
 * @throws {SafetensorsError | DataError} when it cannot be read
 */
export async function loadCheckpoint(path: string, session: PretrainSession): Promise<Progress> {
  const { tensors, metadata } = await readSafetensors(path);
  const wanted = new Set(session.stateNames());
  const missing = [...wanted].filter((name) => !tensors.has(name));
  const extra = [...tensors.keys()].filter((name) => !wanted.has(name));
  if (metadata.format !== "spark3d-checkpoint-1" || missing.length > 0 || extra.length > 0) {
    throw new CheckpointError(
      `Cannot resume from ${path}: ${missing.length} tensors are missing${
        missing[0] ? ` (${missing[0]})` : ""
      } and ` +
        `${extra.length} unknown${
          extra[0] ? ` (${extra[0]})` : ""
        }: use the configuration the run was started with`,
      path,
    );
  }
  session.importState(new Map([...tensors].map(([name, t]) => [name, t.data as Float32Array<ArrayBuffer>])));
  return { step: Number(metadata.step), bestValLoss: JSON.parse(metadata.bestValLoss) };
}

/** What a downstream user must know to transfer the weights. Source: nnssl's adaptation plan. */
function adaptationPlan(config: RunConfig) {
  const { network } = maeConfig(config);
  return {
    key_to_encoder: "encoder.stages",
    key_to_stem: "encoder.stem",
    keys_to_in_proj: ["encoder.stem.convs.0.conv", "encoder.stem.convs.0.all_modules.0"],
    key_to_lpe: null,
    architecture_plans: {
      arch_class_name: "ResidualEncoderUNet",
      arch_kwargs: {
        n_stages: network.features.length,
        features_per_stage: network.features,
        kernel_sizes: network.kernels,
        strides: network.strides,
        n_blocks_per_stage: network.blocks,
        n_conv_per_stage_decoder: network.decoderConvs,
      },
    },
    pretrain_num_input_channels: network.inputChannels,
    recommended_downstream_patchsize: config.patch,
    pretrain_plan: {
      spacing: config.spacing,
      normalization_schemes: ["ZScoreNormalization"],
      patch_size: config.patch,
    },
  };
}
