import { readSafetensors, writeSafetensors } from "../data/safetensors_file.ts";
import type { RunConfig } from "./config.ts";
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

/** A checkpoint that cannot be used. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
  constructor(message: string, readonly path: string) {
    super(message);
  }
}

/**
 * Writes weights, optimiser state, loss scale and progress as safetensors, atomically. Equal state gives equal bytes.
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
      format: FORMAT,
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
 * @throws {CheckpointError} when the file belongs to another network, optimiser or precision
 * @throws {SafetensorsError | DataError} when it cannot be read
 */
export async function loadCheckpoint(path: string, session: PretrainSession): Promise<Progress> {
  const { tensors, metadata } = await readSafetensors(path);
  const fail = (found: string): never => {
    const remedy = "use the configuration the run was started with";
    throw new CheckpointError(`Cannot resume from ${path}: ${found}: ${remedy}`, path);
  };
  if (metadata.format !== FORMAT) fail(`found format ${metadata.format ?? "none"}, wanted ${FORMAT}`);
  const { precision } = JSON.parse(metadata.config ?? "{}") as Partial<RunConfig>;
  if (precision !== session.config.precision) {
    throw new CheckpointError(
      `Cannot resume from ${path}: it was trained in ${precision}, this run is ${session.config.precision} on ` +
        `${session.gpu.facts.adapter}: use --precision ${precision}`,
      path,
    );
  }
  const wanted = new Set(session.stateNames());
  const missing = [...wanted].filter((name) => !tensors.has(name));
  const extra = [...tensors.keys()].filter((name) => !wanted.has(name));
  if (missing.length + extra.length > 0) {
    const example = (names: readonly string[]) => names.length > 0 ? ` (${names[0]})` : "";
    fail(
      `${missing.length} tensors are missing${example(missing)} and ${extra.length} unknown${example(extra)}`,
    );
  }
  for (const [name, { dtype, shape }] of tensors) {
    const own = session.plan.named[name].spec.shape;
    if (dtype !== "F32" || shape.join() !== own.join()) {
      fail(`found ${name} as ${dtype} [${shape}], wanted F32 [${own}]`);
    }
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
