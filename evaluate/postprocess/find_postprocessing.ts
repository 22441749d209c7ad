import { DataError } from "../../data/errors.ts";
import { type FilePair, matchFiles } from "../match_files.ts";
import { nanMean } from "../mean.ts";
import { checkClasses } from "../check_classes.ts";
import { declaredValues, requirePairGrid } from "../evaluate_pair.ts";
import { type LabelMap, readLabelMap } from "../label_map.ts";
import { slotPair } from "../label_slots.ts";
import { pairOverlap } from "../overlap.ts";
import type { EvaluatedClass } from "../types.ts";
import { applySteps, type PostprocessStep } from "./steps.ts";

/** Segmentations of a cross-validation with their references. */
export interface FindPostprocessingOptions {
  /** Folders of predictions and references; the cases of all of them together count. */
  readonly folders: readonly { readonly predictions: string; readonly labels: string }[];
  readonly classes: readonly EvaluatedClass[];
  readonly ignore?: number | null;
  readonly onProgress?: (done: number, total: number, id: string) => void;
  readonly signal?: AbortSignal;
}

/** One step that was tried. */
export interface TriedStep {
  readonly step: PostprocessStep;
  readonly accepted: boolean;
  /** Mean Dice of every class over all cases without and with it. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** Post-processing that was found on a cross-validation. */
export interface FoundPostprocessing {
  /** Accepted steps in the order in which they are applied. */
  readonly steps: readonly PostprocessStep[];
  readonly tried: readonly TriedStep[];
  /** Names of the classes, in the order of `before` and `after`. */
  readonly classes: readonly string[];
  readonly cases: number;
}

/**
 * Decides on the predictions of a cross-validation which steps of post-processing help.
 *
 * First the largest component of all foreground together: accepted if the mean Dice over classes improves and none gets worse. Then, on top
 * of that if it was accepted, each class alone: accepted if that class improves and no other gets worse (only regions can).
 *
 * Source: nnU-Net v2 `postprocessing/remove_connected_components.py`
 *
 * @throws {DataError} as `evaluateFolder`; when two folders predict one case
 */
export async function findPostprocessing(options: FindPostprocessingOptions): Promise<FoundPostprocessing> {
  const { folders, classes, ignore = null, onProgress, signal } = options;
  checkClasses(classes, ignore);
  const pairs: FilePair[] = [];
  for (const { predictions, labels } of folders) {
    const more = (await matchFiles({ predictions, labels, allowMissing: true })).pairs;
    const twice = more.find(({ id }) => pairs.some((pair) => pair.id === id));
    if (twice !== undefined) {
      throw new DataError({
        file: predictions,
        action: "find post-processing with",
        found: `${twice.id}, which another folder predicts as well`,
        wanted: "one prediction a case",
        remedy: "name the folders of one cross-validation",
      });
    }
    pairs.push(...more);
  }
  const foreground = step("foreground", [...new Set(classes.flatMap(({ values }) => values))]);
  const single = classes.map(({ name, values }) => step(name, values));
  const bases = [[], [foreground]];
  const dice: number[][][] = Array.from({ length: 2 * (1 + single.length) }, () => []);
  const declared = declaredValues(classes, ignore);
  for (const [i, pair] of pairs.entries()) {
    signal?.throwIfAborted();
    const reference = await readLabelMap(pair.reference, declared);
    const prediction = await readLabelMap(pair.prediction, declared);
    requirePairGrid(pair, prediction, reference);
    const { shape } = reference;
    const variants = bases.flatMap((base) => {
      const data = applySteps(prediction, base);
      return [data, ...single.map((one) => applySteps({ data, shape }, [one]))];
    });
    const diceOf = new Map<LabelMap["data"], number[]>(); // steps that change nothing give the same array
    variants.forEach((data, variant) => {
      if (!diceOf.has(data)) diceOf.set(data, pairDice(reference, { data, shape }, classes, ignore));
      dice[variant].push(diceOf.get(data)!);
    });
    onProgress?.(i + 1, pairs.length, pair.id);
  }
  const means = dice.map((cases) => classes.map((_, i) => nanMean(cases.map((row) => row[i]))));
  return decide(means, foreground, single, classes.map(({ name }) => name), pairs.length);
}

function pairDice(
  reference: LabelMap,
  prediction: Pick<LabelMap, "data" | "shape">,
  classes: readonly EvaluatedClass[],
  ignore: number | null,
): number[] {
  return pairOverlap(slotPair(reference, prediction, classes, ignore)).map(({ Dice }) => Dice);
}

/** @param means mean Dice of every class for: nothing, each class alone, foreground, foreground and each class */
function decide(
  means: readonly number[][],
  foreground: PostprocessStep,
  single: readonly PostprocessStep[],
  classes: readonly string[],
  cases: number,
): FoundPostprocessing {
  const joined = single.length + 1;
  const noneWorse = (before: readonly number[], after: readonly number[]) =>
    before.every((value, i) => !(after[i] < value));
  const together = noneWorse(means[0], means[joined]) && nanMean(means[joined]) > nanMean(means[0]);
  const tried: TriedStep[] = [
    { step: foreground, accepted: together, before: means[0], after: means[joined] },
  ];
  const base = together ? joined : 0;
  single.forEach((one, i) => {
    const before = means[base], after = means[base + 1 + i];
    tried.push({ step: one, accepted: after[i] > before[i] && noneWorse(before, after), before, after });
  });
  return { steps: tried.filter(({ accepted }) => accepted).map((one) => one.step), tried, classes, cases };
}

function step(name: string, values: readonly number[]): PostprocessStep {
  return { kind: "keep-largest-component", name, values };
}
