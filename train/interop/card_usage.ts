import type { ExportFormat } from "./export_types.ts";
import { isSparse } from "./nnssl_checkpoint.ts";
import type { ModelFile } from "./types.ts";

/** Commands that use an exported file, as Markdown. @param file its base name */
export function usageText(format: ExportFormat, file: string, model: ModelFile): string {
  return USAGE[format](file, model);
}

const USAGE: Readonly<Record<ExportFormat, (file: string, model: ModelFile) => string>> = {
  nnssl: (file) =>
    `Fine-tuning in nnU-Net with support for nnssl's checkpoints:\n\n${
      shell(
        `nnUNetv2_preprocess_like_nnssl -d ID -n NAME -pc ${file} -am like_pretrained`,
        "nnUNetv2_train_pretrained ID 3d_fullres FOLD -p PLANS",
      )
    }\n\nor in Spark3D:\n\n${importLines(file)}`,
  nnunet: (file, model) =>
    model.kind === "segmentation"
      ? `Prediction with nnU-Net v2, once ${file} lies as fold_0/checkpoint_final.pth in a folder with plans.json and dataset.json:\n\n${
        shell("nnUNetv2_predict_from_modelfolder -i IMAGES -o OUT -m FOLDER -f 0")
      }`
      : `Training in nnU-Net v2 with plans of the same architecture:\n\n${
        shell(`nnUNetv2_train ID 3d_fullres FOLD -p PLANS -pretrained_weights ${file}`)
      }`,
  safetensors: (file, model) =>
    model.kind === "segmentation"
      ? shell(`spark3d predict IMAGES --model ${file} --out SEGMENTATIONS`)
      : shell(`spark3d finetune DATASET --from ${file}`),
  onnx: (file, model) =>
    `Any ONNX runtime, for example:\n\n\`\`\`python\nimport onnxruntime\n\nsession = onnxruntime.InferenceSession(${
      JSON.stringify(file)
    })\n` +
    `print(session.get_modelmeta().custom_metadata_map)  # normalisation, voxel size, labels\n\`\`\`\n\n` +
    (isSparse(model.kind)
      ? "Preprocessing is not part of the graph. It computes whole maps, also where training computed visible blocks only."
      : "Preprocessing is not part of the graph."),
};

function importLines(file: string): string {
  return shell(
    `spark3d import ${file} --out model.safetensors`,
    "spark3d finetune DATASET --from model.safetensors",
  );
}

function shell(...lines: readonly string[]): string {
  return `\`\`\`sh\n${lines.join("\n")}\n\`\`\``;
}
