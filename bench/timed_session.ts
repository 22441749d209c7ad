/** A run's training step on random patches, ready to be timed. */
import type { LoadedPatch } from "../data/load_sample.ts";
import type { AdapterChoice } from "../kernels/runtime/device.ts";
import { elementCount } from "../kernels/spec.ts";
import type { RunConfig } from "../train/config.ts";
import { PretrainSession } from "../train/session.ts";
import { contents } from "./data.ts";

/** Milliseconds of one step: until the host is back, and until the device is done. */
export interface StepTime {
  readonly submitMs: number;
  readonly ms: number;
}

/** A session with patches of noise. Dispose it to free its memory. */
export class TimedSession implements Disposable {
  #patches: readonly LoadedPatch[];
  #step = 0;

  private constructor(readonly session: PretrainSession) {
    this.#patches = Array.from({ length: session.config.batch.size }, (_, sampleIndex) => ({
      step: 0,
      sampleIndex,
      caseId: "noise",
      start: [0, 0, 0] as const,
      patch: contents("noise", elementCount(session.built.cropSize), sampleIndex),
    }));
  }

  /** Opens the device, plans, compiles every pipeline with one step. @throws {LimitError | DeviceError} when it does not fit */
  static async create(config: RunConfig, adapter: AdapterChoice): Promise<TimedSession> {
    const timed = new TimedSession(await PretrainSession.create(config, adapter));
    timed.session.initialise();
    await timed.step();
    return timed;
  }

  /** Runs the next step and waits for it. */
  async step(): Promise<StepTime> {
    const started = performance.now();
    this.session.trainStep(this.#step++, 1e-4, this.#patches);
    const submitMs = performance.now() - started;
    await this.session.executor.finish();
    return { submitMs, ms: performance.now() - started };
  }

  [Symbol.dispose](): void {
    this.session[Symbol.dispose]();
  }
}
