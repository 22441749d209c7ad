import { LimitError } from "../kernels/errors.ts";
import type { DeviceFacts } from "../kernels/spec.ts";
import { downsampling, type NetworkConfig } from "../model/config.ts";
import { compileRun } from "./compile_run.ts";
import type { RunConfig } from "./config.ts";
import { resolvePrecision } from "./precision.ts";
import { buildPretrainGraph, maeConfig } from "./step.ts";

/** Sizes of a run's tensors. */
export interface RunSizes {
  readonly patch: RunConfig["patch"];
  /** Patches of a micro-batch. */
  readonly micro: number;
}

/** A run that can be planned in other sizes. */
export interface ResizableRun extends RunSizes {
  /** What the edges of a patch are multiples of. */
  readonly step: number;
  /** Smaller micro-batches that the run could use, ascending. */
  readonly micros: readonly number[];
  /** Whether its configuration limits the memory. */
  readonly limited: boolean;
  /** Plans the run in these sizes. @throws {LimitError} when it does not fit */
  plan(sizes: RunSizes): void;
}

/** What would fit where a run does not; null where nothing of the kind does. */
export interface LargestFit {
  /** Largest cubic patch edge with the configured micro-batch, voxels. */
  readonly patch: number | null;
  /** Largest smaller micro-batch with the configured patch. */
  readonly microBatch: number | null;
}

/** A pre-training run in other sizes. */
export function resizablePretraining(request: RunConfig, facts: DeviceFacts): ResizableRun {
  const config = resolvePrecision(request, facts);
  const { size, micro } = config.batch;
  return {
    patch: config.patch,
    micro,
    step: leastCommonMultiple(coarsest(maeConfig(config).network), config.mask.block),
    micros: divisorsBelow(micro, size),
    limited: config.memory.limit !== null,
    plan: ({ patch, micro }) => {
      const sized = { ...config, patch, batch: { size, micro } };
      compileRun(buildPretrainGraph(sized), sized, facts);
    },
  };
}

/** The error's message up to what it advises. */
export function withoutRemedy({ message }: LimitError): string {
  return message.replace(/: use a smaller patch.*$/, "");
}

/** Looks for the largest patch and the largest micro-batch that fit in place of those of a run that does not. */
export function largestFit(run: ResizableRun): LargestFit {
  return { patch: largestPatch(run), microBatch: largestMicroBatch(run) };
}

/** The end of a refusal: what to do, in one clause. */
export function remedy({ patch, microBatch }: LargestFit, { limited }: ResizableRun): string {
  const memory = limited ? ", a larger memory limit" : "";
  const choices = [
    ...(microBatch === null ? [] : [`micro-batch ${microBatch}`]),
    ...(patch === null ? [] : [`patch ${patch} or less`]),
  ];
  return choices.length === 0
    ? `: no patch of this network fits, use a smaller network${memory} or another adapter`
    : `: use ${choices.join(", ")}${memory}, or another adapter`;
}

/** Adds what would fit to an error of a run that is too large for its adapter; other errors come back unchanged. */
export function explainLimit(error: unknown, run: () => ResizableRun): unknown {
  if (!(error instanceof LimitError)) return error;
  const resizable = run();
  return new LimitError(`${withoutRemedy(error)}${remedy(largestFit(resizable), resizable)}`, error.details);
}

/** Voxels that one cell of a network's coarsest maps stands for, along the axis where it is most. */
export function coarsest(network: NetworkConfig): number {
  return Math.max(...downsampling(network).at(-1)!);
}

/** Numbers below `micro` that divide a batch. */
export function divisorsBelow(micro: number, batch: number): number[] {
  return Array.from({ length: micro - 1 }, (_, i) => i + 1).filter((n) => batch % n === 0);
}

/** Whether a run fits in other sizes. */
function fits(run: ResizableRun, sizes: RunSizes): boolean {
  try {
    run.plan(sizes);
    return true;
  } catch (error) {
    if (error instanceof LimitError) return false;
    throw error;
  }
}

/** Largest cubic patch, below the configured one, that network, block and device allow: needs grow with the edge. */
function largestPatch(run: ResizableRun): number | null {
  const { patch, micro, step } = run;
  const sizes = Array.from({ length: Math.ceil(Math.max(...patch) / step) - 1 }, (_, i) => (i + 1) * step);
  return largestOf(sizes, (edge) => {
    try {
      return fits(run, { patch: [edge, edge, edge], micro });
    } catch {
      return null; // below what the loss can take: look among the larger ones
    }
  });
}

/** Largest micro-batch, below the configured one, that divides the batch and fits. */
function largestMicroBatch(run: ResizableRun): number | null {
  return largestOf(run.micros, (micro) => fits(run, { patch: run.patch, micro }));
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
