import type { ModelDescription } from "../train/interop/describe_model.ts";
import { visibleText } from "./visible_text.ts";

const KINDS: Readonly<Record<ModelDescription["kind"], string>> = {
  "s3d": "masked auto-encoder with sparse encoder (S3D)",
  "s3d-no-token": "masked auto-encoder with sparse encoder, without tokens",
  "s3d-efficient": "masked auto-encoder with sparse encoder and tokens, without densification",
  "mae": "masked auto-encoder",
  "segmentation": "segmentation network",
  "network": "network that reconstructs or segments nothing by itself; fine-tuning can start from it",
};

/** A model in lines for people, one for each fact. */
export function modelText(model: ModelDescription): string {
  const { network, parameters, trained, keys } = model;
  const stages = network.features.map((features, stage) =>
    [
      `  stage ${stage}`,
      `${features} features`,
      counted(network.blocks[stage], network.encoder === "residual" ? "block" : "convolution"),
      `kernel ${network.kernels[stage].join("x")}`,
      `stride ${network.strides[stage].join("x")}`,
    ].join(", ")
  );
  const from = model.architectureSource === "shapes"
    ? "the tensors' shapes"
    : `the ${model.architectureSource}`;
  return [
    `${model.path}: ${model.format === "torch" ? "file of PyTorch" : model.format}${
      model.origin === "unknown" ? "" : `, from ${model.origin}`
    }`,
    `kind: ${KINDS[model.kind]}`,
    `network: ${model.architecture}, channels ${network.inputChannels} in, ${network.outputChannels} out; known from ${from}`,
    ...stages,
    `  decoder convolutions ${network.decoderConvs.join(", ")}${network.skips ? "" : "; no skips"}`,
    `parameters: ${grouped(parameters.total)} in ${model.tensors} tensors (encoder ${
      grouped(parameters.encoder)
    }, decoder ${grouped(parameters.decoder)}${
      parameters.extra > 0 ? `, tokens and densification ${grouped(parameters.extra)}` : ""
    })`,
    ...(model.labels.length > 0 ? [`labels: ${model.labels.join(", ")}`] : []),
    `training: ${trainingText(trained)}`,
    `adaptation plan: ${planText(model.adaptationPlan)}`,
    `keys: ${keys.used} used, ${keys.aliases} aliases, ${keys.missing.length} missing${
      keys.missing.length > 0 ? ` (${keys.missing[0]})` : ""
    }`,
    ...keys.skipped.map(({ reason, count, example }) => `  ${count} left out: ${reason} (${example})`),
    ...model.assumptions.map((assumption) => `assumed: ${assumption}`),
    ...model.notes.map((note) => `note: ${note}`),
  ].map((line) => visibleText(line)).join("\n");
}

function trainingText(
  { trainer, epochs, steps, seed, fold, trainLosses, valLosses }: ModelDescription["trained"],
) {
  const parts = [
    trainer,
    epochs === null ? null : counted(epochs, "epoch"),
    steps === null ? null : counted(steps, "step"),
    fold === null ? null : `fold ${fold}`,
    seed === null ? null : `seed ${seed}`,
    trainLosses.length === 0 ? null : `last training loss ${trainLosses.at(-1)!.toPrecision(4)}`,
    valLosses.length === 0 ? null : `last validation loss ${valLosses.at(-1)!.toPrecision(4)}`,
  ].filter((part) => part !== null);
  return parts.length === 0 ? "unknown" : parts.join(", ");
}

function planText(plan: ModelDescription["adaptationPlan"]): string {
  if (plan === null) return "none";
  const { pretrain_plan: data, recommended_downstream_patchsize: patch } = plan;
  const [name, { spacing, normalization_schemes }] = Object.entries(data.configurations)[0];
  return [
    `trained on ${data.dataset_name}`,
    name,
    spacing ? `${spacing.join(" x ")} mm` : "spacing of each volume",
    normalization_schemes.join(" "),
    `patch ${patch.join("x")} recommended`,
  ].join(", ");
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function grouped(count: number): string {
  return count.toLocaleString("en-GB");
}
