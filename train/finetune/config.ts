import { checkPatch, type NetworkConfig, validateNetwork } from "../../model/config.ts";
import { optimizerSchema } from "../config.ts";
import { z } from "../deps.ts";
import { computeKeys, loopKeys } from "../run_keys.ts";
import { finetuneAugmentationSchema } from "./augmentation_config.ts";

/** Names of the fine-tuning schedules; {@linkcode finetuneLr} has the formulas. */
export const scheduleNames = ["default", "frozen", "warmup", "valley", "sawtooth"] as const;

const edge = z.int().positive().max(1024);
const channels = z.int().positive().max(4096);
const depth = z.int().positive().max(64);
const perStage = <T extends z.ZodType>(entry: T) => z.array(entry).min(2).max(10);
const dims = (entry: z.ZodInt) => z.tuple([entry, entry, entry]);

const network = z.strictObject({
  encoder: z.enum(["residual", "plain"]).describe("residual: ResEnc U-Net; plain: nnU-Net's plain U-Net"),
  inputChannels: channels.describe("channels of the data set"),
  outputChannels: channels.describe("labels with background, or regions"),
  features: perStage(channels).describe("channels of each stage, from full resolution"),
  kernels: perStage(dims(z.int().positive().max(15))).describe("kernel of each stage"),
  strides: perStage(dims(z.int().min(1).max(2))).describe("stride into each stage"),
  blocks: perStage(depth).describe("residual blocks, or convolutions, of each encoder stage"),
  decoderConvs: z.array(depth).min(1).max(9).describe(
    "convolutions of each decoder stage, lowest resolution first",
  ),
});

const exponent = z.number().positive().default(0.9);
const span = z.int().positive().max(1e6).nullable().default(null);
const warmupEpochs = span.describe("epochs of warm-up; null: a tenth of all, at most 50");
const decoderEpochs = span.describe(
  "epochs in which only the decoder trains; null: a tenth of all, at most 50",
);
const decoderRate = z.number().positive().default(1)
  .describe("peak learning rate while only the decoder trains, as a multiple of optimizer.lr");
const schedule = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("default"), exponent }),
  z.strictObject({
    kind: z.literal("frozen"),
    warmupEpochs: z.int().nonnegative().max(1e6).default(0).describe("epochs of warm-up"),
    exponent,
  }),
  z.strictObject({ kind: z.literal("warmup"), warmupEpochs, exponent }),
  z.strictObject({ kind: z.literal("valley"), decoderEpochs, decoderRate, warmupEpochs, exponent }),
  z.strictObject({ kind: z.literal("sawtooth"), decoderEpochs, decoderRate, warmupEpochs, exponent }),
]);

/**
 * Schema of a fine-tuning run. What a plan decides (`network`, `patch`) has no default; the others are those of
 * fine-tuning from pre-trained weights.
 *
 * Source: nnU-Net's `PretrainedTrainer`; Wald et al. (arXiv:2410.23132).
 */
export const finetuneConfigSchema = z.strictObject({
  seed: z.int().nonnegative().max(2 ** 32 - 1).default(0).describe("seed of all chance in the run"),
  fold: z.union([z.int().nonnegative().max(1e6), z.literal("all")]).default(0)
    .describe("fold of the cross-validation; all: every case trains and validates"),
  configuration: z.string().min(1).default("3d_fullres").describe("configuration of the plans file"),
  network,
  patch: z.tuple([edge, edge, edge]).describe("patch size [D, H, W], voxels"),
  init: z.enum(["he", "pytorch"]).default("he").describe("start of weights that no checkpoint gives"),
  batch: z.strictObject({
    size: z.int().positive().max(4096).default(2).describe("patches of one optimizer step"),
    micro: z.int().positive().max(4096).nullable().default(null).describe(
      "patches computed at once; null: one, or the whole batch where Dice is that of the batch",
    ),
  }).prefault({}),
  optimizer: optimizerSchema.prefault({ kind: "sgd", lr: 1e-3 }).describe("lr: peak learning rate"),
  clipNorm: z.number().positive().nullable().default(12).describe(
    "global gradient norm limit; null: no clipping",
  ),
  schedule: schedule.prefault({ kind: "warmup" }),
  epochs: z.int().positive().max(1e6).default(1000),
  stepsPerEpoch: z.int().positive().max(1e6).default(250),
  validationSteps: z.int().positive().max(1e6).default(50).describe("validation batches of one epoch"),
  deepSupervision: z.boolean().default(false).describe("loss at every resolution of the decoder"),
  batchDice: z.boolean().default(false).describe("Dice of the whole batch instead of each patch"),
  oversample: z.number().min(0).max(1).default(0.33).describe("share of patches that must show foreground"),
  augmentation: finetuneAugmentationSchema.prefault({}),
  ...computeKeys,
  checkpointEveryEpochs: z.int().positive().default(50),
  ...loopKeys,
}).check(({ value, issues }) => {
  const fault = (path: PropertyKey[], message: string, input: unknown) =>
    issues.push({ code: "custom", path, message, input });
  try {
    checkNetwork(value);
  } catch (error) {
    const path = (error as { path?: string }).path ?? "network";
    fault([path.split(/[.[]/)[0]], (error as Error).message, value.patch);
  }
  const micro = microBatch(value);
  if (value.batch.size % micro !== 0) {
    fault(
      ["batch", "micro"],
      `Micro-batch ${micro} does not divide batch.size ${value.batch.size}: use a divisor`,
      micro,
    );
  } else if (value.batchDice && micro !== value.batch.size) {
    fault(
      ["batch", "micro"],
      `Micro-batch ${micro} is not batch.size ${value.batch.size}, which batchDice needs: leave batch.micro out`,
      micro,
    );
  }
  const { decoder, warmup } = scheduleSpans(value);
  if (decoder + warmup > 0 && decoder + warmup >= value.epochs) {
    fault(
      ["schedule"],
      `Schedule ${value.schedule.kind} takes ${decoder + warmup} epochs ` +
        `(${
          decoder ? `decoder ${decoder}, ` : ""
        }warm-up ${warmup}), which leaves nothing of ${value.epochs}: ` +
        `train longer or use schedule default`,
      value.schedule,
    );
  }
});

/** A complete, valid configuration of a fine-tuning run; `z.infer` of {@linkcode finetuneConfigSchema}. */
export type FinetuneConfig = z.infer<typeof finetuneConfigSchema>;

/** A configuration as a file or a preset gives it. */
export type FinetuneConfigInput = Partial<z.input<typeof finetuneConfigSchema>>;

/** The network of a fine-tuning run. */
export function finetuneNetwork(
  { network, deepSupervision, init }: Pick<FinetuneConfig, "network" | "deepSupervision" | "init">,
): NetworkConfig {
  return { ...network, deepSupervision, init, skips: true, zeroHead: false };
}

/** Patches computed at once. */
export function microBatch({ batch, batchDice }: Pick<FinetuneConfig, "batch" | "batchDice">): number {
  return batch.micro ?? (batchDice ? batch.size : 1);
}

/** Epochs of the decoder's and the warm-up phase of a schedule, 0 where it has none. */
export function scheduleSpans(
  { schedule, epochs }: Pick<FinetuneConfig, "schedule" | "epochs">,
): { readonly decoder: number; readonly warmup: number } {
  const usual = Math.min(50, Math.ceil(epochs / 10));
  return {
    decoder: "decoderEpochs" in schedule ? schedule.decoderEpochs ?? usual : 0,
    warmup: "warmupEpochs" in schedule ? schedule.warmupEpochs ?? usual : 0,
  };
}

function checkNetwork(config: Pick<FinetuneConfig, "network" | "patch" | "deepSupervision" | "init">): void {
  const built = finetuneNetwork(config);
  validateNetwork(built);
  checkPatch(built, config.patch);
}
