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
