import { bullets, dataTable, preprocessingTable, resultsTable, trainingTable } from "./card_training.ts";
import { CARD_MARK } from "./card_path.ts";
import { type CardRow, extents, factTable, plainText, sections } from "./card_text.ts";
import type { ExportFormat } from "./export_types.ts";
import { isSparse } from "./nnssl_checkpoint.ts";
import { type Provenance, UNSTATED_LICENCE } from "./provenance.ts";
import type { TrainingRecord } from "./training_record.ts";
import type { ModelFile, ModelKind } from "./types.ts";

/** What a card is written from. */
export interface CardRequest {
  readonly format: ExportFormat;
  /** Base names of the exported files. */
  readonly files: readonly string[];
  readonly model: ModelFile;
  readonly record: TrainingRecord;
  readonly provenance: Provenance;
  /** How to use the file: commands. */
  readonly usage: string;
  /** What the form does not carry over. */
  readonly notes: readonly string[];
  readonly parameters: number;
}

const TITLES: Readonly<Record<ModelKind, string>> = {
  "s3d": "U-Net pre-trained with S3D",
  "s3d-no-token": "U-Net pre-trained with S3D without mask tokens",
  "s3d-efficient": "U-Net pre-trained with S3D without densification",
  "mae": "U-Net pre-trained as a masked auto-encoder",
  "segmentation": "Segmentation U-Net",
  "network": "U-Net",
};

const METHODS: Readonly<Record<ModelKind, string>> = {
  "s3d":
    "A U-Net pre-trained as a sparse masked auto-encoder (S3D) on unlabelled volumes: it fills in hidden " +
    "blocks of a patch from the visible ones, with mask tokens and densified skip connections.",
  "s3d-no-token":
    "A U-Net pre-trained as a sparse masked auto-encoder without mask tokens on unlabelled volumes.",
  "s3d-efficient":
    "A U-Net pre-trained as a sparse masked auto-encoder on unlabelled volumes, with mask tokens and without " +
    "densification.",
  "mae":
    "A U-Net pre-trained as a masked auto-encoder (MAE) on unlabelled volumes: its dense encoder sees the patch " +
    "with zeros in hidden blocks.",
  "segmentation": "A U-Net that segments volumes into the labels below.",
  "network": "Weights of a U-Net whose training is not recorded in full.",
};

const WALD =
  "T. Wald et al., Revisiting MAE pre-training for 3D medical image segmentation, arXiv:2410.23132";
const SPARK =
  "K. Tian et al., Designing BERT for convolutional networks: sparse and hierarchical masked modeling, arXiv:2301.03580";
const NNUNET = [
  "F. Isensee et al., nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation, Nature " +
  "Methods 18, 2021",
  "F. Isensee et al., nnU-Net revisited: a call for rigorous validation in 3D medical image segmentation, arXiv:2404.09556",
];

/** Works that a network rests on. */
function citations({ kind, plans }: ModelFile): string[] {
  const pretrained = kind !== "segmentation" && kind !== "network" || plans?.pretrain_info !== undefined;
  return [...(pretrained ? [WALD] : []), ...(isSparse(kind) ? [SPARK] : []), ...NNUNET];
}

/**
 * The model card of an exported network, Markdown with front matter as model hubs read it. It holds counts and settings, and names no
 * subject, case, path or file of the training data.
 *
 * Source: Mitchell et al., "Model cards for model reporting" (arXiv:1810.03993), whose headings it follows.
 */
export function modelCard(request: CardRequest): string {
  const { model, record, provenance } = request;
  const segmentation = model.kind === "segmentation";
  const name = TITLES[model.kind] + (provenance.data ? `, trained on ${provenance.data.name}` : "");
  return `${frontMatter(model.kind, provenance.licence)}\n# ${plainText(name)}\n\n${
    METHODS[model.kind]
  }\n\n` +
    sections([
      ["Model details", detailsTable(request)],
      ["Intended use", intendedUse(segmentation)],
      ["How to use it", request.usage],
      ["Training data", dataTable(provenance.data, model)],
      ["Preprocessing", preprocessingTable(model)],
      ["Training", trainingTable(model, record)],
      ["Results", resultsTable(model, record), resultsNote(segmentation, record)],
      ["Limits", limits(request)],
      ["Licence", licenceText(provenance.licence)],
      ["Citation", bullets(citations(model))],
    ]);
}

function frontMatter(kind: ModelKind, licence: string): string {
  const segmentation = kind === "segmentation";
  const tags = [
    "medical-imaging",
    "mri",
    "3d",
    "u-net",
    ...(segmentation ? ["segmentation"] : ["self-supervised", kind]),
  ];
  return [
    "---",
    `license: ${licence}`,
    ...(licence === UNSTATED_LICENCE ? ["license_name: unstated"] : []),
    CARD_MARK,
    `pipeline_tag: ${segmentation ? "image-segmentation" : "image-feature-extraction"}`,
    "tags:",
    ...tags.map((tag) => `- ${tag}`),
    "---",
    "",
  ].join("\n");
}

function detailsTable({ model, parameters, format, files, provenance }: CardRequest): string {
  const { network } = model;
  const rows: CardRow[] = [
    ["Architecture", network.encoder === "residual" ? "residual-encoder U-Net" : "plain U-Net"],
    ["Parameters", parameters.toLocaleString("en-US")],
    ["Stages", network.features.length],
    ["Channels of the stages", network.features.join(", ")],
    [
      network.encoder === "residual" ? "Residual blocks of the stages" : "Convolutions of the stages",
      network.blocks.join(", "),
    ],
    ["Kernels of the stages", network.kernels.map(extents).join(", ")],
    ["Strides of the stages", network.strides.map(extents).join(", ")],
    ["Skip connections", network.skips ? "yes" : "no"],
    ["Input channels", network.inputChannels],
    ["Output channels", network.outputChannels],
    ["Values", "float32"],
    ["Form", format],
    ["Files", files.join(", ")],
    ["Exported by", provenance.exportedBy],
  ];
  return factTable(rows);
}

function intendedUse(segmentation: boolean): string {
  return segmentation
    ? "Research on the segmentation of images like those that it was trained on. It is no medical device: nobody should decide " +
      "on a diagnosis or a treatment by its output."
    : "Starting weights for networks that are fine-tuned on labelled images, and research on representations of 3-D images. On its " +
      "own it makes no statement about an image. It is no medical device.";
}

function resultsNote(segmentation: boolean, { summary }: TrainingRecord): string {
  if (summary === null) return "";
  return segmentation
    ? "Pseudo Dice is counted over validation patches, not over whole cases; it does not replace a test on unseen data."
    : "Losses are errors of hidden voxels in units of the z-score, over fixed validation patches; they do not tell how well a " +
      "fine-tuned network segments.";
}

function limits({ model, notes }: CardRequest): string {
  const lines = [
    "Other scanners, sequences, ages, diseases and voxel sizes than those of the training data were not tested.",
    "Biases of the training data are passed on; see the counts above for what is known of it.",
    "Images must be preprocessed as stated above, or results are meaningless.",
    ...(model.kind === "segmentation" ? [] : [
      "Weights of a pre-training network may let parts of training images be rebuilt; they " +
      "were not tested for that.",
    ]),
    ...model.assumptions,
    ...notes,
  ];
  return bullets(lines);
}

function licenceText(licence: string): string {
  return licence === UNSTATED_LICENCE
    ? "Nobody stated a licence for these weights, so none is granted here. The terms of the training data apply to what was learned " +
      "from it; ask whoever trained the network."
    : `${
      plainText(licence)
    }, as stated by whoever exported the network. The terms of the training data apply as well.`;
}
