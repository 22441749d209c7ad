import type { ExportFormat } from "./export_types.ts";
import { isSparse } from "./nnssl_checkpoint.ts";
import { isSegmentation } from "./nnunet_checkpoint.ts";
import { orientationNote } from "./nnssl_plan.ts";
import type { ModelFile } from "./types.ts";

/** What a form does not carry over of a model, one sentence each. */
export function carriedOverNotes(model: ModelFile, format: ExportFormat): string[] {
  const { kind, leakyStem, plans, adaptationPlan } = model;
  const notes: string[] = [];
  const orientation = plans?.orientation ?? adaptationPlan?.pretrain_plan.orientation;
  const turned = format === "nnssl" || format === "nnunet" ? orientationNote(orientation) : null;
  if (turned !== null) notes.push(turned);
  if (format === "nnssl" && isSparse(kind) && !leakyStem) {
    notes.push(
      "The stem was trained on masked patches, nnssl's sees hidden voxels: losses differ where pre-training goes on there",
    );
  }
  if (format === "nnssl" && (kind === "segmentation" || kind === "network")) {
    notes.push(
      "nnssl has no trainer of such a network: the file serves fine-tuning, which takes the encoder",
    );
  }
  if (format === "nnunet" && !isSegmentation(model)) {
    notes.push("Without plans of a data set the file serves -pretrained_weights, not prediction");
  }
  if (format === "nnunet" && isSparse(kind)) {
    notes.push("Mask tokens and densification are left out: nnU-Net has no place for them");
  }
  if (plans?.configurations[model.configuration ?? ""]?.spacing === null && format === "nnunet") {
    notes.push(
      "Images keep their voxel size, which nnU-Net supports in its branch for pre-trained networks alone",
    );
  }
  if (format === "onnx") notes.push("Preprocessing, windows and post-processing are not part of the graph");
  notes.push("The optimizer's state is left out: training cannot be resumed from the file");
  return notes;
}
