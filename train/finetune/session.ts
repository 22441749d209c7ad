import type { LoadedCrop } from "../../data/labelled/loader.ts";
import { verifyPlan } from "../../kernels/graph/verify.ts";
import type { DeviceFacts } from "../../kernels/spec.ts";
import { type AdapterChoice, openGpu } from "../../kernels/runtime/device.ts";
import { Executor } from "../../kernels/runtime/executor.ts";
import { compileRun } from "../compile_run.ts";
import { coarsest, divisorsBelow, explainLimit, type ResizableRun } from "../largest_fit.ts";
import { METRIC_ROWS } from "../metrics_ring.ts";
import { stepScalars } from "../optimizer.ts";
import { type Precision, resolvePrecision } from "../precision.ts";
import { concatenate, type StateTensor, TrainingSession } from "../training_session.ts";
import { type FinetuneConfig, finetuneNetwork, microBatch } from "./config.ts";
import { sampleFinetuneAugmentation } from "./sample_augmentation.ts";
import { buildFinetuneGraph, type FinetuneGraph, type FinetuneGraphRequest } from "./step.ts";

/** Sums over the patches of a validation. */
export interface ValidationSums {
  /** Mean loss of a micro-batch. */
  readonly loss: number;
  /** True positives, false positives and false negatives of each output, `[outputs, 3]` in voxels. */
  readonly confusion: Float32Array;
}

/** A stage of a fine-tuning run on a device: training steps, validation, and its state as named tensors. */
export class FinetuneSession
  extends TrainingSession<FinetuneConfig & { readonly precision: Precision }, FinetuneGraph> {
  #validated = 0;

  /**
   * Opens a device, plans and allocates. Weights are zero until `initialise` or `importState`, the optimiser's states zero.
   *
   * @throws {DeviceError} without adapter or memory, or when f16 is asked for and the adapter has none
   * @throws {LimitError} when the run does not fit the adapter
   */
  static async create(request: FinetuneGraphRequest, adapter: AdapterChoice): Promise<FinetuneSession> {
    const gpu = await openGpu({ adapter });
    try {
      const config = resolvePrecision(request.config, gpu.facts);
      const built = buildFinetuneGraph({ ...request, config });
      const plan = compileRun(built, config, gpu.facts);
      verifyPlan(plan, gpu.facts);
      return new FinetuneSession(config, gpu, built, plan, await Executor.create(gpu, plan));
    } catch (error) {
      gpu[Symbol.dispose]();
      throw explainLimit(error, () => resizableFinetuning(request, gpu.facts));
    }
  }

  /**
   * Submits one optimiser step; does not wait.
   *
   * @param stageStep steps since the optimiser started
   * @param crops the batch in order, `config.batch.size` crops of `built.cropSize`
   */
  trainStep(step: number, stageStep: number, lr: number, crops: readonly LoadedCrop[]): void {
    const { config, executor } = this;
    executor.clearAccumulators();
    executor.write("scalars", stepScalars(config.optimizer, lr, stageStep, step % METRIC_ROWS));
    const { seed, patch, augmentation, network: { inputChannels: channels } } = config;
    for (const part of this.#parts(crops)) {
      const drawn = part.map(({ sampleIndex: sample }) =>
        sampleFinetuneAugmentation({ seed, step, sample, channels, patch, config: augmentation })
      );
      executor.write("crop", concatenate(part.map((crop) => crop.image)));
      executor.write("cropLabel", concatenate(part.map((crop) => crop.label)));
      executor.write("parameters", concatenate(drawn));
      executor.run("augment");
      executor.run("micro");
    }
    executor.run("update");
  }

  /** Starts a validation: sums are zero. */
  startValidation(): void {
    this.executor.clearAccumulators();
    this.#validated = 0;
  }

  /** Adds a batch of patches to the validation; does not wait. @param crops crops of the patch's size */
  validateStep(crops: readonly LoadedCrop[]): void {
    for (const part of this.#parts(crops)) {
      this.executor.write("window", concatenate(part.map((crop) => crop.image)));
      this.executor.write("windowLabel", concatenate(part.map((crop) => crop.label)));
      this.executor.run("plain");
      this.executor.run("validate");
      this.#validated++;
    }
  }

  /** What the validation found. Stalls. @throws {DeviceError} when the device was lost or reported an error */
  async readValidation(): Promise<ValidationSums> {
    const [loss] = await this.read("validationLoss");
    return { loss: loss / this.#validated, confusion: await this.read("confusion") };
  }

  /** Weights alone. */
  async exportWeights(): Promise<Map<string, StateTensor>> {
    const names = new Set(this.weightNames());
    return new Map([...await this.exportState()].filter(([name]) => names.has(name)));
  }

  *#parts(crops: readonly LoadedCrop[]): Generator<readonly LoadedCrop[]> {
    const { micro } = this.built;
    for (let start = 0; start < crops.length; start += micro) yield crops.slice(start, start + micro);
  }
}

/** A stage of a fine-tuning run in other sizes. */
function resizableFinetuning(request: FinetuneGraphRequest, facts: DeviceFacts): ResizableRun {
  const config = resolvePrecision(request.config, facts);
  const micro = microBatch(config);
  const { patch, batch: { size }, batchDice, memory } = config;
  return {
    patch,
    micro,
    step: coarsest(finetuneNetwork(config)),
    micros: batchDice ? [] : divisorsBelow(micro, size), // a Dice over the batch needs all of it at once
    limited: memory.limit !== null,
    plan: ({ patch, micro }) => {
      const sized = { ...config, patch, batch: { size, micro } };
      compileRun(buildFinetuneGraph({ ...request, config: sized }), sized, facts);
    },
  };
}
