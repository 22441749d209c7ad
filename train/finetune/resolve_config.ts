import type { ConfigurationPlan } from "../../data/nnunet/plans.ts";
import { configJsonSchema, type ConfigKind, type ConfigLayers, resolveLayers } from "../config_layers.ts";
import type { JsonObject } from "../merge_config.ts";
import { type FinetuneConfig, finetuneConfigSchema } from "./config.ts";
import { networkFromPlan } from "./network_from_plan.ts";
import { finetunePresets, finetuneRecipes, type FinetuneStart } from "./presets.ts";

const kind: ConfigKind<FinetuneConfig> = {
  title: "Spark3D fine-tuning run",
  schema: finetuneConfigSchema,
  presets: finetunePresets,
  defaultPreset: "default",
};

/** What a plan says about a run on a data set. */
export interface PlannedRun {
  /** Name of the configuration in the plans file. */
  readonly name: string;
  readonly configuration: ConfigurationPlan;
  /** Channels of the data set. */
  readonly inputChannels: number;
  /** Outputs of the network: labels with background, or regions. */
  readonly outputs: number;
}

/** The layers of a fine-tuning configuration. */
export interface FinetuneLayers extends ConfigLayers {
  readonly start: FinetuneStart;
  /** Absent where the file is complete, as that of a run that is resumed. */
  readonly plan?: PlannedRun;
}

/**
 * Builds the complete configuration of a run: published protocol, plan, preset, file, flags; later layers win. Where a
 * checkpoint decides the network (`start` is not `scratch`), the plan stands above the preset.
 *
 * @throws {ConfigError} with the path of every wrong key and the layer it came from
 *
 * @example
 * ```ts ignore
 * const config = resolveFinetuneConfig({ start: "pretrained", plan, preset: "short", flags: { fold: 2 } });
 * ```
 */
export function resolveFinetuneConfig(layers: FinetuneLayers): FinetuneConfig {
  const { start, plan } = layers;
  const planned = plan ? [{ source: `plan ${plan.name}`, values: planLayer(plan) }] : [];
  const scratch = start === "scratch";
  return resolveLayers(kind, layers, {
    recipe: finetuneRecipes[start],
    below: scratch ? planned : [],
    above: scratch ? [] : planned,
  });
}

/** JSON Schema (2020-12) of a configuration file, for editors. */
export function finetuneConfigJsonSchema(): JsonObject {
  return configJsonSchema(kind);
}

function planLayer({ name, configuration, inputChannels, outputs }: PlannedRun): JsonObject {
  const { encoder, features, kernels, strides, blocks, decoderConvs } = networkFromPlan(
    configuration,
    inputChannels,
    outputs,
    false,
  );
  return {
    configuration: name,
    network: {
      encoder,
      inputChannels,
      outputChannels: outputs,
      features,
      kernels,
      strides,
      blocks,
      decoderConvs,
    },
    patch: configuration.patch_size,
    batch: { size: configuration.batch_size },
    batchDice: configuration.batch_dice,
  };
}
