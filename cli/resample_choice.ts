import { DeviceError } from "../kernels/errors.ts";
import { adapterFacts, requestAdapter } from "../kernels/runtime/device.ts";
import type { Output } from "./output.ts";

/** Where images are resampled. */
export type ResampleChoice = "auto" | "gpu" | "cpu";

/**
 * Module of the workers for a choice: one with a GPU when it is asked for, or when there is one that is no software driver, which would
 * only take the processor away from the workers; undefined for resampling on the processor.
 *
 * @throws {DeviceError} when a GPU is asked for and there is none
 */
export async function resampleWorker(choice: ResampleChoice, output: Output): Promise<URL | undefined> {
  if (choice === "cpu") return undefined;
  try {
    const facts = adapterFacts(await requestAdapter());
    if (choice === "auto" && facts.software) return undefined;
    output.log(`resampling on ${facts.adapter}`);
  } catch (error) {
    if (choice === "gpu" || !(error instanceof DeviceError)) throw error;
    return undefined;
  }
  return new URL("../train/gpu_prepare_worker.ts", import.meta.url);
}
