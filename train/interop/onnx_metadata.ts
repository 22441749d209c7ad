import { channelNamesIn } from "../../data/nnunet/description.ts";
import { isJsonObject } from "../merge_config.ts";
import type { Provenance } from "./provenance.ts";
import type { ModelFile } from "./types.ts";

/**
 * Facts for `metadata_props` of an ONNX file: whoever runs it needs them to prepare an image and to read the output. Lists are JSON,
 * voxel sizes in mm, axes in array order (z, y, x before `transpose_forward`).
 */
export function onnxMetadata(model: ModelFile, provenance: Provenance): Record<string, string> {
  const { network, plans, configuration, adaptationPlan, dataset, kind } = model;
  const planned = plans && configuration ? plans.configurations[configuration] : null;
  const pretrained = adaptationPlan?.pretrain_plan;
  const used = planned ?? (pretrained ? Object.values(pretrained.configurations)[0] : undefined);
  const axes = plans ?? pretrained;
  const { encoder, features, kernels, strides, blocks, decoderConvs, inputChannels, outputChannels } =
    network;
  const entries: Readonly<Record<string, unknown>> = {
    method: kind,
    architecture: {
      encoder,
      inputChannels,
      outputChannels,
      features,
      kernels,
      strides,
      blocks,
      decoderConvs,
    },
    normalization: used?.normalization_schemes,
    use_mask_for_norm: used?.use_mask_for_norm,
    spacing: used?.spacing,
    patch_size: used?.patch_size,
    transpose_forward: axes?.transpose_forward,
    orientation: axes?.orientation ?? undefined,
    intensity_properties: needsIntensities(used?.normalization_schemes)
      ? plans?.foreground_intensity_properties_per_channel
      : undefined,
    labels: isJsonObject(dataset?.labels) ? dataset.labels : undefined,
    regions_class_order: dataset?.regions_class_order,
    channel_names: dataset ? channelNamesIn(dataset) : undefined,
    licence: provenance.licence,
    provenance,
  };
  const known = Object.entries(entries).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    known.map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
  );
}

/** Whether a normalisation takes statistics of the training data. */
function needsIntensities(schemes: readonly string[] | undefined): boolean {
  return schemes?.includes("CTNormalization") ?? false;
}
