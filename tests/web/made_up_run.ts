import { makeFolder } from "../../data/atomic.ts";
import type { JsonObject } from "../../train/merge_config.ts";
import type { MetricRow } from "../../train/events.ts";
import { resolveRunConfig } from "../../train/resolve_config.ts";
import { runPaths, writeRunRecord } from "../../train/run_folder.ts";
import { RunLog } from "../../train/run_log.ts";
import { SliceWriter } from "../../train/slices.ts";
import { plainDevice } from "../support/device_facts.ts";

/** The run folder of a pre-training that nobody computed: what a page shows depends on the files alone. */
export class MadeUpRun implements Disposable {
  /** Completed steps. */
  step = 0;
  readonly #log: RunLog;
  readonly #folder: string;
  #slices: SliceWriter | null = null;

  private constructor(folder: string, readonly steps: number, readonly stepsPerEpoch: number) {
    this.#folder = folder;
    this.#log = RunLog.open(`${folder}/run.sqlite`);
  }

  /** Makes the folder of a run that has just started. @param changes settings on top of the demo's */
  static async start(folder: string, epochs: number, changes: JsonObject = {}): Promise<MadeUpRun> {
    await makeFolder(folder);
    const config = resolveRunConfig({ preset: "demo", flags: { ...changes, epochs } });
    await writeRunRecord(folder, { config, store: "store" }, plainDevice);
    const steps = config.epochs * config.stepsPerEpoch;
    const run = new MadeUpRun(folder, steps, config.stepsPerEpoch);
    run.#log.addEvent({
      type: "started",
      step: 0,
      steps,
      epochs: config.epochs,
      seed: config.seed,
      adapter: plainDevice.adapter,
      resumedFrom: null,
      peakFlopPerSecond: 1e12,
    });
    return run;
  }

  /** Logs so many further steps as a training does, validations at the end of epochs included. @returns when they were stored */
  advance(count: number): number {
    const rows: MetricRow[] = [];
    const from = this.step;
    this.step = Math.min(this.steps, from + count);
    for (let step = from; step < this.step; step++) {
      const wobble = Math.sin(step * 12.9898) * 0.1 + Math.sin(step * 0.1) * 0.05;
      const figures = {
        loss: 0.2 + Math.exp(-step / 200) * (1 + wobble),
        gradNorm: 1 + wobble,
        clipScale: 1,
        skipped: step % 500 === 499 ? 1 : 0,
        lossScale: 1024,
        lr: 0.01 * (1 - step / this.steps) ** 0.9,
        maskRatio: 0.75 + wobble,
        dataWaitMs: 1 + wobble,
        queueDepth: 8 + (step % 3),
      };
      for (const [name, value] of Object.entries(figures)) rows.push({ step, name, value });
    }
    const timing = { seconds: this.step / 4, stepMs: 250, voxelsPerSecond: 3.5e6, flopPerSecond: 2e11 };
    for (const [name, value] of Object.entries(timing)) rows.push({ step: this.step - 1, name, value });
    this.#log.addMetrics(rows);
    const stored = Date.now();
    const epoch = Math.floor(this.step / this.stepsPerEpoch);
    if (epoch > Math.floor(from / this.stepsPerEpoch)) this.#validate(epoch);
    return stored;
  }

  /** Writes the slices of the newest step, of three patches of 96^3 made of waves, and logs that they are there. */
  async drawSlices(): Promise<void> {
    const shape = [96, 96, 96] as const, voxels = 96 ** 3;
    const wave = (phase: number) =>
      Float32Array.from({ length: voxels }, (_, i) => Math.sin(i / 500 + phase));
    this.#slices ??= new SliceWriter(
      runPaths(this.#folder),
      shape,
      "RAS",
      [0, 1, 2].map((patch) => ({
        case: `made-up-${patch}`,
        start: [0, 0, 0],
        spacingMm: [1, 1, 1],
        original: wave(patch),
        visible: new Uint8Array(voxels).fill(patch % 2),
      })),
    );
    for (const patch of [0, 1, 2]) this.#slices.add(patch, wave(patch + 100 / (100 + this.step)));
    const path = await this.#slices.write(this.step, 0.5);
    this.#log.addEvent({ type: "slices", step: this.step, path });
  }

  /** Logs the end of the run. */
  finish(): void {
    this.#log.addEvent({ type: "finished", step: this.step, seconds: this.step / 4 });
  }

  #validate(epoch: number): void {
    const valLoss = 0.25 + Math.exp(-this.step / 200);
    const step = this.step - 1;
    this.#log.addMetrics([{ step, name: "valLoss", value: valLoss }, {
      step,
      name: "validationMs",
      value: 900,
    }]);
    this.#log.addEvent({
      type: "validation",
      step: this.step,
      epoch,
      valLoss,
      valLossConstant: 1,
      valLossNearest: 0.6,
    });
  }

  /** Closes the log; the run stays as it is. */
  [Symbol.dispose](): void {
    this.#log.close();
  }
}
