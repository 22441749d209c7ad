import type { Plans } from "../../data/nnunet/plans.ts";
import { torchTuple, type TorchWritable } from "../../data/torch/types.ts";
import type { FinetuneConfig } from "../finetune/config.ts";
import type { JsonObject } from "../merge_config.ts";
import { nnsslAdaptationPlan } from "./nnssl_plan.ts";
import { nnunetPlans, publicDataset } from "./public_plans.ts";
import { torchFromJson } from "./torch_json.ts";
import { networkState, writableTensors } from "./torch_state.ts";
import type { ModelFile } from "./types.ts";

/** A model that was trained to segment. */
export interface SegmentationModel extends ModelFile {
  readonly plans: Plans;
  readonly configuration: string;
  readonly dataset: JsonObject;
}

/** Whether a model has everything that nnU-Net's predictor needs. */
export function isSegmentation(model: ModelFile): model is SegmentationModel {
  return model.kind === "segmentation" && model.plans !== null && model.configuration !== null &&
    model.dataset !== null;
}

/** Name of the trainer of nnU-Net that builds the same network. */
export function nnunetTrainer({ origin, trained, network }: ModelFile): string {
  if (origin === "nnunet" && trained.trainer !== null) return trained.trainer;
  return network.deepSupervision ? "nnUNetTrainer" : "nnUNetTrainerNoDeepSupervision";
}

/** Axes over whose mirror images nnU-Net averages: those that training mirrored; all where that is not known. */
export function nnunetMirrorAxes({ config, trained }: ModelFile): readonly number[] {
  const augmentation = config?.augmentation as Partial<FinetuneConfig["augmentation"]> | undefined;
  if (augmentation?.mirrorAxes === undefined) return trained.mirrorAxes ?? [0, 1, 2];
  return augmentation.enabled && augmentation.mirrorProbability! > 0 ? augmentation.mirrorAxes : [];
}

/**
 * What a checkpoint of nnU-Net v2 holds, without the state of an optimiser. A segmentation network is complete for
 * `nnUNetPredictor`; any other has the weights that `-pretrained_weights` takes, and no `init_args`.
 *
 * Source: `nnUNetTrainer.save_checkpoint`, `nnUNetPredictor.initialize_from_trained_model_folder`, `load_pretrained_weights`.
 */
export function nnunetCheckpoint(model: ModelFile): TorchWritable {
  const { adaptationPlan, trained } = model;
  const entries: [string, TorchWritable][] = [["network_weights", networkState(writableTensors(model))]];
  if (isSegmentation(model)) {
    const { plans, configuration, dataset } = model;
    const axes = nnunetMirrorAxes(model);
    entries.push(
      [
        "init_args",
        torchFromJson({
          plans: nnunetPlans(plans),
          configuration,
          fold: trained.fold ?? model.config?.fold ?? 0,
          dataset_json: publicDataset(dataset),
        }),
      ],
      ["inference_allowed_mirroring_axes", axes.length > 0 ? torchTuple(axes) : null],
    );
  }
  entries.push(["trainer_name", nnunetTrainer(model)]);
  if (trained.epochs !== null) entries.push(["current_epoch", trained.epochs]);
  if (adaptationPlan !== null) {
    entries.push(["nnssl_adaptation_plan", torchFromJson(nnsslAdaptationPlan(adaptationPlan))]);
  }
  return new Map(entries);
}
