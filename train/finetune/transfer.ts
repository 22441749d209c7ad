import { readSafetensors, readSafetensorsHeader } from "../../data/safetensors_file.ts";
import { ADAPTATION_PLAN_KEY, type AdaptationPlan, parseAdaptationPlan } from "../adaptation_plan.ts";
import { parameterOfKey } from "../interop/names.ts";
import { isInputProjection } from "./stages.ts";

/** What became of every tensor; names are parameter keys, in order of declaration. */
export interface TransferReport {
  /** Copied from the checkpoint. */
  readonly transferred: readonly string[];
  /** Copied and fitted to another number of input channels. */
  readonly adapted: readonly string[];
  /** Not in the checkpoint, or left out on purpose: they keep their random start. */
  readonly fresh: readonly string[];
  /** Weights of the checkpoint that the network does not take. */
  readonly unused: readonly string[];
}

/** Weights for a network, and where they came from. */
export interface Transfer {
  /** C order, by parameter name; tensors that stay as initialised are absent. */
  readonly values: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
  readonly report: TransferReport;
  readonly adaptationPlan: AdaptationPlan;
}

/** What {@linkcode transferWeights} needs. */
export interface TransferRequest {
  /** Safetensors file of a pre-training or fine-tuning run. */
  readonly checkpoint: string;
  /** Parameters of the network that takes the weights. */
  readonly parameters: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** Also the decoder's stages and transposed convolutions, never a head; false when absent. */
  readonly transferDecoder?: boolean;
}

/** A checkpoint whose weights a network cannot take. */
export class TransferError extends Error {
  override readonly name = "TransferError";
  constructor(readonly path: string, found: string, remedy: string) {
    super(`Cannot transfer weights from ${path}: found ${found}: ${remedy}`);
  }
}

/**
 * Reads the weights of a checkpoint that a network takes.
 *
 * Encoder (stem and stages) and, when asked for, decoder stages and transposed convolutions must agree tensor by tensor. Heads
 * are never taken. A stem of one input channel is fitted to C channels by `W'[:, c] = W[:, 0] / C`, so that C identical channels
 * give the pre-trained response. Where a file has both names of a tensor, `all_modules.*` counts: in checkpoints of the
 * reference's sparse encoders only those were trained.
 *
 * @throws {TransferError} in one line when the architecture differs, tensors are missing, of another shape or type, or not finite
 * @throws {SafetensorsError | DataError} when the file is damaged or cannot be read
 * Source: `load_pretrained_weights` of nnU-Net's pre-trained trainers.
 */
export async function transferWeights(request: TransferRequest): Promise<Transfer> {
  const { checkpoint, parameters, transferDecoder = false } = request;
  const header = await readSafetensorsHeader(checkpoint);
  const adaptationPlan = planOf(checkpoint, header.metadata);
  const stored = new Map<string, string>(); // name in the network -> key in the file
  for (const key of header.tensors.keys()) {
    const name = canonicalName(key);
    if (name !== null && (!stored.has(name) || key !== name)) stored.set(name, key);
  }
  const taken = (name: string) =>
    name.startsWith("encoder.") ||
    transferDecoder && /^decoder\.(stages|transpconvs)\./.test(name);
  const wanted = parameters.filter(({ name }) => taken(name));
  checkNames(checkpoint, adaptationPlan, wanted.map(({ name }) => name), [...stored.keys()].filter(taken));
  const adapted = wanted.filter(({ name, shape }) => {
    const { shape: found, dtype } = header.tensors.get(stored.get(name)!)!;
    if (dtype !== "F32") {
      throw new TransferError(checkpoint, `${name} as ${dtype}, wanted F32`, "use a checkpoint of Spark3D");
    }
    if (found.join() === shape.join()) return false;
    checkShape(checkpoint, adaptationPlan, name, found, shape);
    return true;
  });
  const { tensors } = await readSafetensors(checkpoint, wanted.map(({ name }) => stored.get(name)!));
  const values = new Map(wanted.map(({ name, shape }) => {
    const data = tensors.get(stored.get(name)!)!.data as Float32Array<ArrayBuffer>;
    if (!data.every(Number.isFinite)) {
      throw new TransferError(
        checkpoint,
        `values in ${name} that are not finite`,
        "use a checkpoint from before the run diverged",
      );
    }
    return [name, data.length === volume(shape) ? data : spreadChannels(data, shape)];
  }));
  const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name);
  const own = new Set(names(wanted));
  return {
    values,
    adaptationPlan,
    report: {
      transferred: names(wanted.filter((parameter) => !adapted.includes(parameter))),
      adapted: names(adapted),
      fresh: names(parameters.filter(({ name }) => !own.has(name))),
      unused: [...stored.keys()].filter((name) => !own.has(name)),
    },
  };
}

/** The adaptation plan of a checkpoint. @throws {TransferError} when it has none that can be used */
export function planOf(path: string, metadata: Readonly<Record<string, string>>): AdaptationPlan {
  const parsed = parseAdaptationPlan(metadata[ADAPTATION_PLAN_KEY]);
  if ("plan" in parsed) return parsed.plan;
  throw new TransferError(path, parsed.fault, "use a checkpoint of a pre-training or fine-tuning run");
}

/**
 * Name of a tensor in a network: PyTorch's second names replaced, null for what is no weight (optimizer and loss scale) and for
 * the encoder's repetition below the decoder.
 */
function canonicalName(key: string): string | null {
  if (key.includes(":") || !key.includes(".") || key.startsWith("decoder.encoder.")) return null;
  return parameterOfKey(key)?.name ?? key;
}

function checkNames(
  path: string,
  plan: AdaptationPlan,
  wanted: readonly string[],
  found: readonly string[],
): void {
  const missing = wanted.filter((name) => !found.includes(name));
  const extra = found.filter((name) => !wanted.includes(name));
  if (missing.length + extra.length === 0) return;
  const count = (names: readonly string[], what: string) =>
    `${names.length} ${what}${names.length > 0 ? ` (${names[0]})` : ""}`;
  throw new TransferError(
    path,
    `${count(missing, "tensors missing")} and ${
      count(extra, "that the network does not have")
    }; the checkpoint is of ${describeArchitecture(plan)}`,
    "use a plan made from this checkpoint, or a complete checkpoint of the planned network",
  );
}

function checkShape(
  path: string,
  plan: AdaptationPlan,
  name: string,
  found: readonly number[],
  wanted: readonly number[],
): void {
  const [features, channels, ...kernel] = wanted;
  const projection = isInputProjection(name) && wanted.length === 5 && found[0] === features &&
    kernel.join() === found.slice(2).join();
  if (projection && found[1] === 1) return;
  if (projection) {
    throw new TransferError(
      path,
      `a network of ${found[1]} input channels, wanted 1 or ${channels}`,
      "use a checkpoint of one channel, or data with the channels of the checkpoint",
    );
  }
  throw new TransferError(
    path,
    `${name} as [${found}], wanted [${wanted}]; the checkpoint is of ${describeArchitecture(plan)}`,
    "use a plan made from this checkpoint",
  );
}

/** One line's worth of an architecture. */
function describeArchitecture(
  { architecture_plans: { arch_class_name, arch_kwargs } }: AdaptationPlan,
): string {
  const features = arch_kwargs?.features_per_stage;
  return Array.isArray(features)
    ? `a ${arch_class_name} with features ${features.join(", ")}`
    : arch_class_name;
}

function volume(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/**
 * A stem of one input channel for C channels: `[F, 1, ...kernel]` -> `[F, C, ...kernel]`, every channel a C-th of the one, so that C
 * identical channels give the response to the one.
 *
 * @param shape that of the result
 * Source: `load_pretrained_weights` of nnU-Net's pre-trained trainers.
 */
export function spreadChannels(
  weight: Float32Array<ArrayBuffer>,
  [features, channels, ...kernel]: readonly number[],
): Float32Array<ArrayBuffer> {
  const taps = volume(kernel);
  const spread = new Float32Array(features * channels * taps);
  for (let f = 0; f < features; f++) {
    const share = weight.subarray(f * taps, (f + 1) * taps).map((w) => w / channels);
    for (let c = 0; c < channels; c++) spread.set(share, (f * channels + c) * taps);
  }
  return spread;
}
