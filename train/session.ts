import type { LoadedPatch } from "../data/load_sample.ts";
import { verifyPlan } from "../kernels/graph/verify.ts";
import { type AdapterChoice, openGpu } from "../kernels/runtime/device.ts";
import { Executor } from "../kernels/runtime/executor.ts";
import { blockTableRow } from "../kernels/ops/blocks/table.ts";
import { sampleAugmentation } from "./augmentation.ts";
import { compileRun } from "./compile_run.ts";
import type { RunConfig } from "./config.ts";
import { explainLimit, resizablePretraining } from "./largest_fit.ts";
import { type BlockMask, sampleBlockMask, sampleRatio } from "./mask.ts";
import { METRIC_ROWS } from "./metrics_ring.ts";
import { stepScalars } from "./optimizer.ts";
import { type Precision, resolvePrecision } from "./precision.ts";
import { buildPretrainGraph, type PretrainGraph } from "./step.ts";
import { concatenate, TrainingSession } from "./training_session.ts";

/** A run's network on a device: training steps, evaluation, and its state as named tensors. */
export class PretrainSession
  extends TrainingSession<RunConfig & { readonly precision: Precision }, PretrainGraph> {
  /**
   * Opens a device, plans and allocates. Weights are zero until `initialise` or `importState`.
   *
   * @throws {DeviceError} without adapter or memory, or when f16 is asked for and the adapter has none
   * @throws {LimitError} when the run does not fit the adapter
   */
  static async create(request: RunConfig, adapter: AdapterChoice): Promise<PretrainSession> {
    const gpu = await openGpu({ adapter });
    try {
      const config = resolvePrecision(request, gpu.facts);
      const built = buildPretrainGraph(config);
      const plan = compileRun(built, config, gpu.facts);
      verifyPlan(plan, gpu.facts);
      return new PretrainSession(config, gpu, built, plan, await Executor.create(gpu, plan));
    } catch (error) {
      gpu[Symbol.dispose]();
      throw explainLimit(error, () => resizablePretraining(request, gpu.facts));
    }
  }

  /**
   * Submits one optimiser step; does not wait.
   *
   * @param patches the batch in order, `config.batch.size` crops of `built.cropSize`
   */
  trainStep(step: number, lr: number, patches: readonly LoadedPatch[]): void {
    const { config, executor } = this;
    const { micro } = config.batch;
    const ratio = sampleRatio(config.seed, step, config.mask.ratio);
    executor.clearAccumulators();
    executor.write("scalars", stepScalars(config.optimizer, lr, step, step % METRIC_ROWS));
    for (let start = 0; start < patches.length; start += micro) {
      const part = patches.slice(start, start + micro);
      executor.write("crop", concatenate(part.map((p) => p.patch)));
      executor.write(
        "transform",
        concatenate(
          part.map((p) =>
            sampleAugmentation({
              seed: config.seed,
              step,
              sample: p.sampleIndex,
              config: config.augmentation,
            })
          ),
        ),
      );
      const { patch, mask: { block }, seed } = config;
      this.#writeMasks(
        part.map((p) => sampleBlockMask({ patch, block, ratio, seed, step, sample: p.sampleIndex })),
      );
      executor.run("augment");
      executor.run("micro");
    }
    executor.run("update");
  }

  /**
   * Reconstructs micro-batches of patches. Stalls.
   *
   * @param image `[M, 1, ...patch]`
   * @param masks one for each patch, with at most `built.blocks.kept` visible blocks
   * @returns masked mean squared error over the micro-batch and the reconstruction `[M, 1, ...patch]` when asked for
   * @throws {DeviceError} as `readMetrics`
   */
  async evaluate(
    image: Float32Array<ArrayBuffer>,
    masks: readonly BlockMask[],
    withReconstruction: boolean,
  ): Promise<{ error: number; reconstruction: Float32Array | null }> {
    this.executor.write("image", image);
    this.#writeMasks(masks);
    this.executor.run("evaluate");
    const [error] = await this.read("maskedError");
    return { error, reconstruction: withReconstruction ? await this.read("reconstruction") : null };
  }

  /** Tells the visible blocks of a micro-batch in the form that the run's layout takes. */
  #writeMasks(masks: readonly BlockMask[]): void {
    const { layout, blocks } = this.built;
    if (layout === "blocks") {
      const rows = masks.map((mask) => blockTableRow(mask.kept, blocks));
      this.executor.write("table", Int32Array.from(rows.flatMap((row) => [...row])));
    } else {
      this.executor.write("mask", concatenate(masks.map((mask) => Float32Array.from(mask.kept))));
    }
  }
}
