import { type RunConfig, runConfigSchema } from "./config.ts";
import { configJsonSchema, type ConfigKind, type ConfigLayers, resolveLayers } from "./config_layers.ts";
import type { JsonObject } from "./merge_config.ts";
import { runPresets } from "./presets.ts";

const kind: ConfigKind<RunConfig> = {
  title: "Spark3D pre-training run",
  schema: runConfigSchema,
  presets: runPresets,
  defaultPreset: "demo",
};

/**
 * Builds the complete configuration of a run from preset, file and flags; later layers win.
 *
 * @throws {ConfigError} with the path of every wrong key and the layer it came from
 *
 * @example
 * ```ts
 * const config = resolveRunConfig({ preset: "paper", flags: { batch: { size: 2 } } });
 * console.log(config.patch); // [160, 160, 160]
 * ```
 */
export function resolveRunConfig(layers: ConfigLayers = {}): RunConfig {
  return resolveLayers(kind, layers, { recipe: runConfigSchema.parse({}) });
}

/** JSON Schema (2020-12) of a configuration file, for editors. */
export function runConfigJsonSchema(): JsonObject {
  return configJsonSchema(kind);
}
