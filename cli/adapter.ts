import { DAWN_MODULE } from "../kernels/deps.ts";
import { DeviceError } from "../kernels/errors.ts";
import { requestAdapter } from "../kernels/runtime/device.ts";
import { ADAPTER_CHOICES, type AdapterChoice } from "../kernels/runtime/provider.ts";
import { Option } from "./deps.ts";

/** `--adapter`, the same for every command that computes. */
export const adapterOption = (): Option<
  "--adapter <name>",
  undefined,
  "auto",
  undefined,
  false,
  AdapterChoice
> =>
  new Option(
    "--adapter <name>",
    "GPU: auto, high (performance), low (power), software (a CPU driver), dawn (Dawn's choice)",
  )
    .choices(ADAPTER_CHOICES).default("auto" as const);

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

/** Asks for an adapter. Asking for Dawn's loads Dawn. @returns the error when there is none */
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

/** Whether Dawn loads here, tried in a process of its own. @param options.fetch fetch it when it is not here yet */
export async function hasDawn({ fetch = false } = {}): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      "--quiet",
      "--no-config",
      "--no-lock",
      ...(fetch ? [] : ["--cached-only"]),
      "await import(Deno.args[0])",
      DAWN_MODULE,
    ],
    env: { DENO_NO_PACKAGE_JSON: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}
