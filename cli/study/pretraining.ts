import type { AdapterChoice } from "../../kernels/runtime/provider.ts";
import { resolveRunConfig } from "../../train/resolve_config.ts";
import { mergeConfig } from "../../train/merge_config.ts";
import type { RunConfig } from "../../train/config.ts";
import { exists, join } from "../paths.ts";
import { isStore } from "../run_folder.ts";
import type { StudyConfig, StudyMethod } from "./config.ts";
import { ensureUnlabelled, type StudyData } from "./datasets.ts";

/** Folder of a method's pre-training run, relative to the study. */
export const pretrainingFolder = (method: StudyMethod) => `pretraining/${method}`;

/** What every part of a study needs. */
export interface StudyContext extends StudyData {
  readonly adapter: AdapterChoice;
}

/** Configuration of a method's pre-training: equal but for the network's kind. */
export function pretrainingConfig(config: StudyConfig, method: Exclude<StudyMethod, "scratch">): RunConfig {
  const file = mergeConfig({ spacing: "median", ...config.pretraining }, { network: { kind: method } });
  return resolveRunConfig({ preset: "demo", file, fileName: "pretraining" });
}

const unlabelledStore = (study: string) => join(study, "datasets", "unlabelled_store");

/** Makes and prepares the unlabelled volumes of a study, unless that was done. */
export async function ensureUnlabelledStore(context: StudyContext): Promise<void> {
  const { study, output, signal } = context;
  const store = unlabelledStore(study);
  if (await isStore(store)) return;
  const { prepareData } = await import("../prepare_data.ts");
  const source = await ensureUnlabelled(context);
  await prepareData({ source, out: store, configuration: "median", signal }, output);
}

/**
 * Pre-trains one method of a study on its prepared volumes, or goes on with what an interrupted study left.
 *
 * @returns the final checkpoint
 * @throws {DOMException} the signal's reason when stopped
 */
export async function ensurePretrained(
  context: StudyContext,
  method: Exclude<StudyMethod, "scratch">,
): Promise<string> {
  const { study, config, adapter, output, signal } = context;
  const out = join(study, pretrainingFolder(method));
  const checkpoint = join(out, "checkpoints", "final.safetensors");
  if (await exists(join(out, "summary.json")) && await exists(checkpoint)) return checkpoint;
  output.log(`pre-training in ${out}`);
  const { pretrain } = await import("../../train/pretrain.ts");
  const { showTrainEvents } = await import("../train_progress.ts");
  const resume = await exists(join(out, "checkpoints", "latest.safetensors"));
  const summary = await pretrain({
    config: pretrainingConfig(config, method),
    store: unlabelledStore(study),
    out,
    resume,
    adapter,
    signal,
    onEvent: showTrainEvents(output),
  });
  if (summary.state === "stopped") throw signal.reason;
  return checkpoint;
}
