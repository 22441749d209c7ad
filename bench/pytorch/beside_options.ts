/** Command line of bench/pytorch/beside.ts, and what it means for both sides. */
import { parseArgs } from "node:util";
import type { RunConfigInput } from "../../train/presets.ts";

/** What the command line asks for. */
export interface BesideOptions {
  readonly patch: number;
  readonly block: number;
  readonly ratio: number;
  readonly batch: number;
  readonly micro: number;
  readonly steps: number;
  readonly device: string;
  readonly adapter: string;
  readonly python: string;
  readonly json: boolean;
  readonly save: boolean;
}

/** Help text. */
export const BESIDE_USAGE = `Usage: deno run -A bench/pytorch/beside.ts [options]

Times the S3D pre-training step of ResEnc-L here and in PyTorch, one after the other on one machine, and prints one
table: step time, memory, share of the peak, and the kernels that take longest.

  --patch=N        patch edge, voxels (default: 160)
  --block=N        edge of a mask block, voxels (default: 16)
  --ratio=R        share of hidden blocks (default: 0.75)
  --micro=N        patches computed at once (default: 1)
  --batch=N        patches of one step (default: --micro)
  --steps=N        timed steps in PyTorch (default: 10)
  --device=NAME    PyTorch's device: cuda or cpu (default: cuda)
  --adapter=NAME   our adapter, as for spark3d bench (default: auto)
  --python=PATH    Python with PyTorch (default: python3)
  --json           one JSON object on stdout
  --save           keep the results in bench/results`;

/** A way to run the step in PyTorch, and the arguments of step.py for it. */
export interface TorchVariant {
  readonly name: string;
  readonly args: readonly string[];
}

/** An option that cannot be used. */
export class BesideOptionError extends Error {
  override name = "BesideOptionError";
}

/** Reads the command line; null asks for help. @throws {BesideOptionError} naming the option, what it may be, and what was found */
export function parseBesideOptions(args: readonly string[]): BesideOptions | null {
  const text = { type: "string" } as const;
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        "patch": text,
        "block": text,
        "ratio": text,
        "batch": text,
        "micro": text,
        "steps": text,
        "device": { ...text, default: "cuda" },
        "adapter": { ...text, default: "auto" },
        "python": { ...text, default: "python3" },
        "json": { type: "boolean", default: false },
        "save": { type: "boolean", default: false },
        "help": { type: "boolean", short: "h", default: false },
      },
    }));
  } catch (cause) {
    throw new BesideOptionError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
  if (values.help) return null;
  const count = (name: "patch" | "block" | "batch" | "micro" | "steps", otherwise: number) => {
    const number = Number(values[name] ?? otherwise);
    if (Number.isInteger(number) && number > 0) return number;
    throw new BesideOptionError(`Cannot use --${name}=${values[name]}: wanted a whole number above 0`);
  };
  const ratio = Number(values.ratio ?? 0.75);
  if (!(ratio > 0 && ratio < 1)) {
    throw new BesideOptionError(`Cannot use --ratio=${values.ratio}: wanted a number between 0 and 1`);
  }
  const micro = count("micro", 1);
  const { device, adapter, python, json, save } = values;
  return {
    patch: count("patch", 160),
    block: count("block", 16),
    ratio,
    micro,
    batch: count("batch", micro),
    steps: count("steps", 10),
    device,
    adapter,
    python,
    json,
    save,
  };
}

/** Our run: the published recipe without augmentation, which PyTorch's step does not have either. */
export function ourConfig(options: BesideOptions, precision: string): RunConfigInput {
  const { patch, block, ratio, batch, micro } = options;
  return {
    patch: [patch, patch, patch],
    mask: { block, ratio: { kind: "fixed", value: ratio } },
    batch: { size: batch, micro },
    augmentation: { rotationProbability: 0, scaleProbability: 0, mirror: false },
    precision: precision as RunConfigInput["precision"],
  };
}

/** Every way that suits the device; channels-last because it is the faster layout where the library has kernels for it. */
export function torchVariants({ device }: Pick<BesideOptions, "device">): readonly TorchVariant[] {
  const precisions = device.startsWith("cuda") ? ["fp32", "tf32", "amp"] : ["fp32"];
  return precisions.flatMap((precision) => [
    { name: precision, args: [`--precision=${precision}`] },
    { name: `${precision} channels-last`, args: [`--precision=${precision}`, "--channels-last"] },
  ]);
}

/** Arguments of step.py. */
export function torchArguments(options: BesideOptions, variant: TorchVariant): string[] {
  const { patch, block, ratio, batch, micro, steps, device } = options;
  return [
    ...Object.entries({ patch, block, ratio, batch, micro, steps, device }).map(([key, value]) =>
      `--${key}=${value}`
    ),
    ...variant.args,
    "--profile",
    "--json",
  ];
}
