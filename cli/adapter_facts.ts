import { DeviceError } from "../kernels/errors.ts";
import { requestAdapter } from "../kernels/runtime/device.ts";
import type { AdapterChoice } from "../kernels/runtime/provider.ts";

/** What an adapter says about itself. */
export interface AdapterFacts {
  readonly request: AdapterChoice;
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

/** Asks for an adapter; `cli/dawn.ts` does it for Dawn's. @returns the error when there is none */
export async function readAdapterFacts(name: AdapterChoice): Promise<AdapterFacts | DeviceError> {
  let adapter: GPUAdapter;
  try {
    adapter = await requestAdapter({ adapter: name });
  } catch (error) {
    if (error instanceof DeviceError) return error;
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
