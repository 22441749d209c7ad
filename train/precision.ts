import { DeviceError } from "../kernels/errors.ts";
import type { DeviceFacts } from "../kernels/spec.ts";

/** How activations and their gradients are stored; everything else is f32, and so is all arithmetic. */
export type Precision = "f32" | "f16";

/**
 * The loss scale of a run in f16: where it starts, its bounds, and how many good steps double it.
 *
 * Gradients of a mean over V hidden voxels start at about `2 error / V`: with V from 8e4 (48^3) to 3e6 (160^3) and a factor of
 * 65536 that is 0.04 to 1.6 an error of 1, the middle of what f16 holds (6e-5 to 6.5e4). Below 1 scaling only loses digits; above 2^24
 * sums of squares of f32 gradients come near f32's end.
 * Source of start, factor 2 and interval: torch.amp.GradScaler.
 */
export const LOSS_SCALE = { initial: 65536, growthInterval: 2000, smallest: 1, largest: 2 ** 24 } as const;

/**
 * Steps in a row that may change nothing before a run counts as diverged: more than the 24 halvings between the bounds of
 * {@linkcode LOSS_SCALE}, so that a scale that only has to settle never ends a run.
 */
export const SKIPS_IN_A_ROW = 32;

/**
 * The configuration with `auto` replaced by what suits an adapter: f16 where shaders may use it and the adapter is a GPU.
 *
 * Software adapters (lavapipe, SwiftShader) compute on processors without 16-bit arithmetic: every load and store becomes a
 * conversion, and main memory is not what limits them. On lavapipe a step of the demo takes 190 ms in f16 and 167 in f32, and
 * its kernels take 1.7 times as long to compile. They stay with f32 unless f16 is asked for.
 *
 * @throws {DeviceError} when f16 is asked for and the adapter has no shader-f16
 */
export function resolvePrecision<C extends { readonly precision: Precision | "auto" }>(
  config: C,
  facts: DeviceFacts,
): C & { readonly precision: Precision } {
  if (config.precision === "f16" && !facts.f16) {
    throw new DeviceError(
      `Cannot store activations as f16 on ${facts.adapter}: it has no shader-f16, use --precision f32 or auto`,
      { reason: "feature" },
    );
  }
  const automatic: Precision = facts.f16 && !facts.software ? "f16" : "f32";
  return { ...config, precision: config.precision === "auto" ? automatic : config.precision };
}
