import { z } from "./deps.ts";

const count = z.int().positive().max(64);
const ms = z.number().nonnegative();

/** Schema of a tuning table as `spark3d tune` writes it: the tiles of convolutions that one adapter computes fastest with. */
export const tuningTableSchema = z.strictObject({
  adapter: z.string().min(1).describe("adapter that was measured; other adapters refuse the table"),
  runtime: z.string(),
  commit: z.string().optional(),
  entries: z.record(
    z.string(),
    z.strictObject({ size: z.tuple([count, count, count]), quads: count, blocks: count, ms, ruleMs: ms }),
  ).describe("tile by convolution; times in milliseconds"),
});
