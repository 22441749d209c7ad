import { z } from "../deps.ts";

const positive = z.int().positive();
const dims = z.tuple([positive, positive, positive]);
const stages = <T extends z.ZodType>(entry: T) => z.array(entry).min(1).max(16);

const network = z.object({
  encoder: z.enum(["residual", "plain"]),
  inputChannels: positive,
  outputChannels: positive,
  features: stages(positive),
  kernels: stages(dims),
  strides: stages(dims),
  blocks: stages(positive),
  decoderConvs: stages(positive),
  deepSupervision: z.boolean(),
  skips: z.boolean(),
  init: z.enum(["pytorch", "he"]),
  zeroHead: z.boolean(),
});

const trained = z.object({
  trainer: z.string().nullable(),
  epochs: z.number().nullable(),
  steps: z.number().nullable(),
  seed: z.number().nullable(),
  fold: z.union([z.number(), z.string()]).nullable(),
  trainLosses: z.array(z.number()),
  valLosses: z.array(z.number()),
  mirrorAxes: z.array(z.number()).nullable(),
});

/** What the metadata of a file of weights say of them: the facts of `ModelFile` that are not in other entries. */
export const modelRecord = z.object({
  origin: z.enum(["spark3d", "nnssl", "nnunet", "unknown"]),
  kind: z.enum(["s3d", "s3d-no-token", "s3d-efficient", "mae", "segmentation", "network"]),
  network,
  leakyStem: z.boolean(),
  maskBlock: z.int().positive().nullable(),
  configuration: z.string().nullable(),
  trained,
  assumptions: z.array(z.string()),
});

/** The content of {@linkcode modelRecord}. */
export type ModelRecord = z.infer<typeof modelRecord>;
