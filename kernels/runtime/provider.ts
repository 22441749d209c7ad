/** Which WebGPU implementation answers a request for an adapter: the runtime's own, or Dawn. */
import { DAWN_MODULE } from "../deps.ts";
import { DeviceError } from "../errors.ts";

/**
 * Every adapter that can be asked for. From the runtime's WebGPU: the platform's choice, the fast one, the frugal one, a
 * software one. `dawn`: the one that Dawn chooses, from the optional package {@linkcode DAWN_MODULE}.
 */
export const ADAPTER_CHOICES = ["auto", "high", "low", "software", "dawn"] as const;

/** One of {@linkcode ADAPTER_CHOICES}. */
export type AdapterChoice = typeof ADAPTER_CHOICES[number];

/** An adapter choice by name. @throws {DeviceError} when there is none of that name */
export function adapterChoice(name: string): AdapterChoice {
  const choice = ADAPTER_CHOICES.find((known) => known === name);
  if (choice) return choice;
  throw new DeviceError(
    `Cannot open a GPU: found adapter name "${name}", wanted one of ${ADAPTER_CHOICES.join(", ")}`,
    { reason: "unknown-adapter" },
  );
}

/** What Spark3D uses of the package. */
interface DawnModule {
  create(options: readonly string[]): GPU;
}

let dawn: Promise<GPU> | null = null;

/**
 * The WebGPU implementation that offers an adapter. Dawn is loaded when it is first asked for, once a thread.
 *
 * @throws {DeviceError} when the runtime has no WebGPU, or Dawn cannot be loaded
 */
export async function webgpuFor(choice: AdapterChoice): Promise<GPU> {
  if (choice === "dawn") return await (dawn ??= loadDawn(DAWN_MODULE));
  const gpu = globalThis.navigator?.gpu;
  if (gpu) return gpu;
  throw new DeviceError(
    "Cannot open a GPU: this runtime has no navigator.gpu, wanted Deno 2 or a browser with WebGPU",
    { reason: "no-webgpu" },
  );
}

/**
 * Loads Dawn.
 *
 * @param specifier module that exports `create(options)`, as npm's `webgpu` does
 * @throws {DeviceError} when it cannot be fetched or its native library does not run here
 */
export async function loadDawn(specifier: string): Promise<GPU> {
  try {
    const { create } = await import(specifier) as DawnModule;
    return create([]);
  } catch (cause) {
    const found = (cause instanceof Error ? cause.message : String(cause)).replace(/\s*\n\s*/g, " ");
    throw new DeviceError(
      `Cannot load Dawn (${specifier}): found "${found}", wanted Deno or Node on x64 or arm64 with --allow-ffi and, ` +
        `the first time, a network connection: it is optional, any other adapter works without it`,
      { reason: "no-dawn" },
      { cause },
    );
  }
}
