import { DeviceError } from "../kernels/errors.ts";
import { type AdapterChoice, requestAdapter } from "../kernels/runtime/device.ts";
import { Option } from "./deps.ts";

/** Which GPU a command uses. */
export type AdapterName = AdapterChoice;

/** Every value of `--adapter`. */
export const adapterNames: readonly AdapterName[] = ["auto", "high", "low", "software"];

/** `--adapter`, the same for every command that computes. */
export const adapterOption = (): Option<
  "--adapter <name>",
  undefined,
  "auto",
  undefined,
  false,
  AdapterName
> =>
  new Option("--adapter <name>", "GPU: auto, high (performance), low (power), software (a CPU driver)")
    .choices(adapterNames).default("auto" as const);

/** What an adapter says about itself. */
export interface AdapterFacts {
  readonly request: AdapterName;
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

/** Asks for an adapter; null when there is none. */
export async function readAdapterFacts(name: AdapterName): Promise<AdapterFacts | null> {
  let adapter: GPUAdapter;
  try {
    adapter = await requestAdapter({ adapter: name });
  } catch (error) {
    if (error instanceof DeviceError) return null;
    throw error;
  }
  const { vendor, architecture, device, description } = adapter.info;
  const limits: Record<string, number> = {};
  for (const key in adapter.limits) {
    const value = adapter.limits[key as keyof GPUSupportedLimits];
    if (typeof value === "number") limits[key] = value;
  }
  return {
    request: name,
    vendor,
    architecture,
    device,
    description,
    features: [...adapter.features].sort(),
    limits,
  };
}
