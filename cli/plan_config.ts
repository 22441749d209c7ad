import { Option } from "./deps.ts";
import { UsageError } from "./errors.ts";
import { readJson } from "./paths.ts";
import { networkPresetNames, type RunConfig } from "../train/config.ts";
import { type JsonObject, mergeConfig } from "../train/merge_config.ts";
import { runPresets } from "../train/presets.ts";
import { resolveRunConfig } from "../train/resolve_config.ts";

const known: readonly string[] = [...new Set([...Object.keys(runPresets), ...networkPresetNames])];

/** `--preset` of commands that take a whole run or only a network. */
export const presetOption = (): Option<"--preset <name>"> =>
  new Option("--preset <name>", `whole run or network: ${known.join(", ")} (default: demo)`);

/**
 * The configuration of a run that is planned or tuned. A network's name as preset stands for the published recipe with that
 * network.
 *
 * @param flags what the command line overrides
 * @throws {UsageError | ConfigError} for an unknown preset or a wrong setting
 */
export async function planConfig(
  options: { readonly preset?: string; readonly config?: string },
  flags: JsonObject,
): Promise<RunConfig> {
  const { preset, config } = options;
  if (preset !== undefined && !known.includes(preset)) {
    throw new UsageError(`Unknown --preset ${preset}: expected one of ${known.join(", ")}`);
  }
  const file = config === undefined ? undefined : await readJson(config);
  const network = networkPresetNames.find((name) => name === preset && !Object.hasOwn(runPresets, name));
  return network === undefined
    ? resolveRunConfig({ preset, file, fileName: config, flags })
    : resolveRunConfig({
      preset: "paper",
      file,
      fileName: config,
      flags: mergeConfig({ network: { preset: network } }, flags),
    });
}
