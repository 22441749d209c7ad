import { polyLr, warmupLr } from "../schedule.ts";
import { type FinetuneConfig, scheduleSpans } from "./config.ts";

/**
 * Which parameters a stage trains: all; decoder and heads; or those and, where the stem was adapted to another number of
 * channels, its input projection.
 */
export type TrainableSet = "all" | "decoder" | "decoder-and-adapted-stem";

/** A part of a fine-tuning run with one set of trained parameters. */
export interface FinetuneStage {
  readonly name: "decoder" | "frozen" | "all";
  /** First epoch. */
  readonly startEpoch: number;
  /** One past the last epoch. */
  readonly endEpoch: number;
  readonly trainable: TrainableSet;
  /** The optimizer's states start at zero with the stage; weights go on. */
  readonly freshOptimizer: true;
}

/** What stages and learning rates depend on. */
export type ScheduledRun = Pick<FinetuneConfig, "schedule" | "epochs" | "optimizer">;

/**
 * The stages of a run, in order, covering all epochs.
 *
 * In the reference the decoder's phases train the whole network, because its decoder holds the encoder; here they train the
 * decoder and the heads, as published.
 */
export function finetuneStages(run: Pick<ScheduledRun, "schedule" | "epochs">): readonly FinetuneStage[] {
  const stage = (
    name: FinetuneStage["name"],
    startEpoch: number,
    endEpoch: number,
    trainable: TrainableSet,
  ) => ({ name, startEpoch, endEpoch, trainable, freshOptimizer: true }) as const;
  const { decoder } = scheduleSpans(run);
  if (run.schedule.kind === "frozen") return [stage("frozen", 0, run.epochs, "decoder-and-adapted-stem")];
  return [
    ...(decoder > 0 ? [stage("decoder", 0, decoder, "decoder")] : []),
    stage("all", decoder, run.epochs, "all"),
  ];
}

/** The stage of an epoch. @throws {RangeError} for an epoch outside the run */
export function stageAt(stages: readonly FinetuneStage[], epoch: number): FinetuneStage {
  const found = stages.find(({ startEpoch, endEpoch }) => epoch >= startEpoch && epoch < endEpoch);
  if (found) return found;
  throw new RangeError(
    `Cannot find a stage: found epoch ${epoch}, wanted 0 to ${stages.at(-1)!.endEpoch - 1}`,
  );
}

/**
 * Learning rate of one epoch; a pure function of the epoch, so that a resumed run needs no state.
 *
 * With peak `lr0 = optimizer.lr`, E epochs, D of the decoder alone, W of warm-up, `poly(i, n) = lr0 (1 - i/n)^exponent`,
 * `rise(i, n) = lr0 (i + 1) / n`:
 * - default: `poly(e, E)`
 * - warmup: `rise(e, W)`, then `poly(e - W, E - W)`; frozen the same, W = 0 unless set
 * - valley: `poly(e, D)`, then warmup over the rest
 * - sawtooth: `rise(e, h)` and `poly(e - h, D - h)` with `h = floor(D / 2)`, then warmup over the rest
 *
 * In the first D epochs of valley and sawtooth `decoderRate * lr0` stands for `lr0`.
 *
 * Source: Wald et al. (arXiv:2410.23132) and its follow-up on fine-tuning schedules.
 *
 * @param epoch 0 .. epochs - 1
 */
export function finetuneLr(run: ScheduledRun, epoch: number): number {
  const { schedule, epochs, optimizer } = run;
  const { decoder, warmup } = scheduleSpans(run);
  const rising = (e: number, all: number, rise: number, lr: number) =>
    e < rise ? warmupLr(e, rise, lr) : polyLr(e - rise, all - rise, lr, schedule.exponent);
  if ("decoderRate" in schedule && epoch < decoder) {
    const rise = schedule.kind === "sawtooth" ? Math.floor(decoder / 2) : 0;
    return rising(epoch, decoder, rise, schedule.decoderRate * optimizer.lr);
  }
  return rising(epoch - decoder, epochs - decoder, warmup, optimizer.lr);
}

/** Parameters of the first convolution, which a change of input channels adapts; residual and plain encoders. */
const INPUT_PROJECTION = /^encoder\.(stem\.convs\.0|stages\.0\.0\.convs\.0)\.conv\./;

/** Whether a name is that of the first convolution's weight or bias. */
export function isInputProjection(parameterName: string): boolean {
  return INPUT_PROJECTION.test(parameterName);
}

/**
 * Whether a stage trains a parameter.
 *
 * @param parameterName key of the network, such as `decoder.stages.0.convs.0.conv.weight`
 * @param options.stemAdapted whether transfer adapted the stem to another number of channels
 */
export function isTrainable(
  parameterName: string,
  trainable: TrainableSet,
  options: { readonly stemAdapted: boolean },
): boolean {
  if (trainable === "all" || parameterName.startsWith("decoder.")) return true;
  return trainable === "decoder-and-adapted-stem" && options.stemAdapted && isInputProjection(parameterName);
}
