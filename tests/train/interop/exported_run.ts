/** Run folders of networks with weights of noise, made without a GPU, and full of names that no export may tell. */
import { writeJsonAtomic } from "../../../data/atomic.ts";
import { type SafetensorsSource, writeSafetensors } from "../../../data/safetensors_file.ts";
import { elementCount } from "../../../kernels/spec.ts";
import { ADAPTATION_PLAN_KEY, adaptationPlan } from "../../../train/adaptation_plan.ts";
import { finetuneNetwork } from "../../../train/finetune/config.ts";
import { modelParameters } from "../../../train/interop/parameters.ts";
import type { ModelKind } from "../../../train/interop/types.ts";
import type { JsonObject } from "../../../train/merge_config.ts";
import { runPaths } from "../../../train/run_folder.ts";
import { RunLog } from "../../../train/run_log.ts";
import { maeConfig } from "../../../train/step.ts";
import type { NetworkConfig } from "../../../model/config.ts";
import { noise } from "../../support/ops.ts";
import { writeSmallStore } from "../../support/small_store.ts";
import { blobDataset, blobPlans, tinyFinetuneConfig } from "../finetune/tiny_finetune.ts";
import { pretrainPlan, tinyConfig } from "../tiny_run.ts";

/** A word in the names of subjects, cases and folders, which must not leave the run folder. */
export const SECRET = "geheim";

/** As in a file: tests that train read on the calling thread, which a configuration cannot ask for. */
const LOADER = { workers: 1, prefetch: 2 };

/** Weights of a network by parameter name. */
export type Weights = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly data: Float32Array<ArrayBuffer> }
>;

/** Noise for every parameter. */
export function noiseWeights(kind: ModelKind, network: NetworkConfig): Weights {
  return new Map(
    modelParameters(kind, network).map(({ name, shape }, i) => [name, {
      shape,
      data: noise(elementCount(shape), i),
    }]),
  );
}

/** Writes a pre-training run of three epochs: checkpoint with optimiser state, store, record, log and summary. */
export async function writePretrainedRun(run: string, changes: JsonObject = {}): Promise<Weights> {
  const config = { ...tinyConfig(changes), loader: LOADER };
  const { kind, network } = maeConfig(config);
  const weights = noiseWeights(kind, network);
  const store = `${run}/${SECRET}_store`, paths = runPaths(run);
  await Deno.mkdir(paths.checkpoints, { recursive: true });
  await writeSmallStore(store, [
    { subject: `${SECRET}-1`, shape: [2, 2, 2] },
    { subject: `${SECRET}-2`, modality: "FLAIR", shape: [2, 2, 2] },
    { subject: `${SECRET}-3`, shape: [2, 2, 2] },
  ], { val: [`${SECRET}-3`] });
  const [first] = weights.keys();
  await writeSafetensors(paths.final, withState(weights, first), {
    format: "spark3d-checkpoint-1",
    step: "6",
    bestValLoss: "0.75",
    seed: String(config.seed),
    config: JSON.stringify(config),
    [ADAPTATION_PLAN_KEY]: JSON.stringify(adaptationPlan(network, config.patch, pretrainPlan(config.patch))),
  });
  await writeRecord(run, config, store);
  await writeJsonAtomic(paths.summary, { state: "finished", valLoss: 0.8123456, trainLoss: 0.7 });
  using log = RunLog.open(paths.log);
  log.addMetrics([2, 5].map((step) => ({ step, name: "valLoss", value: 1 / (step + 1) })));
  return weights;
}

/** Writes a fine-tuning run whose plans and dataset.json name places and cases. */
export async function writeSegmentationRun(run: string, changes: JsonObject = {}): Promise<Weights> {
  const augmentation = { enabled: true, mirrorAxes: [0, 2] };
  const config = { ...tinyFinetuneConfig({ augmentation, ...changes }), loader: LOADER };
  const network = finetuneNetwork(config);
  const weights = noiseWeights("segmentation", network);
  const paths = runPaths(run);
  await Deno.mkdir(paths.checkpoints, { recursive: true });
  const plans = {
    ...blobPlans(1),
    orientation: "RAS",
    pretrain_info: { checkpoint_path: `/home/${SECRET}/final.safetensors`, checkpoint_name: "first" },
  };
  const [first] = weights.keys();
  await writeSafetensors(paths.final, withState(weights, first), {
    format: "spark3d-finetuned-1",
    progress: JSON.stringify({ step: 6, stage: 0, stemAdapted: false, emaDice: null, bestEmaDice: null }),
    seed: "0",
    config: JSON.stringify(config),
    configuration: JSON.stringify(config.configuration),
    plans: JSON.stringify(plans),
    dataset: JSON.stringify({
      ...blobDataset,
      name: "Blobs",
      description: `collected by ${SECRET}`,
      dataset: { [`${SECRET}_01`]: { images: [`/data/${SECRET}.nii.gz`], label: "x" } },
    }),
    [ADAPTATION_PLAN_KEY]: JSON.stringify(
      adaptationPlan(network, config.patch, {
        ...plans,
        configurations: { "3d_fullres": { ...plans.configurations["3d_fullres"], patch_size: config.patch } },
      }),
    ),
  });
  await writeRecord(run, config, `/data/${SECRET}`);
  await writeJsonAtomic(paths.summary, { state: "finished", meanDice: 0.5, cases: { train: 4, val: 1 } });
  return weights;
}

/** Weights beside the state of an optimiser. */
function withState(weights: Weights, first: string): ReadonlyMap<string, SafetensorsSource> {
  const tensors = [...weights].map(([name, { shape, data }]) =>
    [name, { dtype: "F32" as const, shape, data }] as const
  );
  const velocity = { dtype: "F32" as const, ...weights.get(first)! };
  return new Map([...tensors, [`velocity:${first}`, velocity]]);
}

async function writeRecord(run: string, config: object, store: string): Promise<void> {
  await writeJsonAtomic(runPaths(run).record, {
    format: "spark3d-run-1",
    config,
    store,
    adapter: { adapter: "Test adapter" },
    versions: { spark3d: "0.0.1", deno: "2.9.6" },
  });
}
