import { LimitError } from "../kernels/errors.ts";
import type { DeviceFacts } from "../kernels/spec.ts";
import { downsampling } from "../model/config.ts";
import { compileRun } from "./compile_run.ts";
import type { RunConfig } from "./config.ts";
import { resolvePrecision } from "./precision.ts";
import { buildPretrainGraph, maeConfig } from "./step.ts";

/** What would fit where a run does not; null where nothing of the kind does. */
export interface LargestFit {
  /** Largest cubic patch edge with the configured micro-batch, voxels. */
  readonly patch: number | null;
  /** Largest smaller micro-batch with the configured patch. */
  readonly microBatch: number | null;
}

/** Whether a run fits; null when it does, else what is too large, without a remedy. */
export function refusalOf(config: RunConfig, facts: DeviceFacts): string | null {
  try {
    compileRun(buildPretrainGraph(config), config, facts);
    return null;
  } catch (error) {
    if (error instanceof LimitError) return withoutRemedy(error);
    throw error;
  }
}

/** The error's message up to what it advises. */
export function withoutRemedy({ message }: LimitError): string {
  return message.replace(/: use a smaller patch.*$/, "");
}

/** Looks for the largest patch and the largest micro-batch that fit in place of a configuration that does not. */
export function largestFit(config: RunConfig, facts: DeviceFacts): LargestFit {
  return { patch: largestPatch(config, facts), microBatch: largestMicroBatch(config, facts) };
}

/** The end of a refusal: what to do, in one clause. */
export function remedy({ patch, microBatch }: LargestFit, config: RunConfig): string {
  const memory = config.memory.limit === null ? "" : ", a larger memory limit";
  const choices = [
    ...(microBatch === null ? [] : [`micro-batch ${microBatch}`]),
    ...(patch === null ? [] : [`patch ${patch} or less`]),
  ];
  return choices.length === 0
    ? `: no patch of this network fits, use a smaller network${memory} or another adapter`
    : `: use ${choices.join(", ")}${memory}, or another adapter`;
}

/** Adds what would fit to an error of a run that is too large for its adapter; other errors come back unchanged. */
export function explainLimit(error: unknown, request: RunConfig, facts: DeviceFacts): unknown {
  if (!(error instanceof LimitError)) return error;
  const config = resolvePrecision(request, facts);
  return new LimitError(`${withoutRemedy(error)}${remedy(largestFit(config, facts), config)}`, error.details);
}

/** Largest cubic patch, below the configured one, that network, block and device allow: needs grow with the edge. */
function largestPatch(config: RunConfig, facts: DeviceFacts): number | null {
  const factor = Math.max(...downsampling(maeConfig(config).network).at(-1)!);
  const step = leastCommonMultiple(factor, config.mask.block);
  const sizes = Array.from(
    { length: Math.ceil(Math.max(...config.patch) / step) - 1 },
    (_, i) => (i + 1) * step,
  );
  return largestOf(sizes, (edge) => {
    try {
      return refusalOf({ ...config, patch: [edge, edge, edge] }, facts) === null;
    } catch {
      return null; // below what the loss can take: look among the larger ones
    }
  });
}

/** Largest micro-batch, below the configured one, that divides the batch and fits. */
function largestMicroBatch(config: RunConfig, facts: DeviceFacts): number | null {
  const { size, micro } = config.batch;
  const divisors = Array.from({ length: micro - 1 }, (_, i) => i + 1).filter((n) => size % n === 0);
  return largestOf(divisors, (n) => refusalOf({ ...config, batch: { size, micro: n } }, facts) === null);
}

/**
 * Largest of ascending candidates that fits, by bisection.
 * @param fits whether one does; null: cannot be tried, larger ones may fit
 */
function largestOf(
  candidates: readonly number[],
  fits: (candidate: number) => boolean | null,
): number | null {
  let best: number | null = null;
  let [low, high] = [0, candidates.length];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const fit = fits(candidates[middle]);
    if (fit) best = candidates[middle];
    if (fit === false) high = middle;
    else low = middle + 1;
  }
  return best;
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return a * b / x;
}
