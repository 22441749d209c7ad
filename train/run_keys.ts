/** Keys that configurations of pre-training and of fine-tuning have in common. */
import { z } from "./deps.ts";
import { tuningTableSchema } from "./tuning.ts";

const memory = z.strictObject({
  limit: z.number().positive().nullable().default(null).describe(
    "GPU memory that the run may take, GiB; null: what it needs (WebGPU does not say how much there is)",
  ),
  recompute: z.enum(["auto", "off", "all"]).default("auto").describe(
    "compute norms and activations again in the backward pass instead of keeping them; auto: only as far as the limit asks for it",
  ),
});

/** How a run computes: numbers, memory, tiles. */
export const computeKeys = {
  precision: z.enum(["f32", "f16", "auto"]).default("auto")
    .describe("storage of activations; auto: f16 on GPUs that have it, f32 elsewhere"),
  memory: memory.prefault({}),
  tuning: tuningTableSchema.nullable().default(null).describe(
    "measured tiles of convolutions, written by spark3d tune; they change the order of sums, and so the last digits",
  ),
};

/** How a run is watched and fed. */
export const loopKeys = {
  metricsEvery: z.int().positive().max(64).default(25).describe(
    "steps between two read-backs of the losses",
  ),
  nanLimit: z.int().nonnegative().default(20).describe(
    "losses of one epoch that may be NaN before the run ends",
  ),
  loader: z.strictObject({
    workers: z.int().positive().max(256).default(2).describe("threads that read patches"),
    prefetch: z.int().positive().max(1024).default(4).describe("batches kept ready"),
  }).prefault({}),
};
