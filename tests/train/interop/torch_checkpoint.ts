/** Checkpoints of PyTorch with weights of noise, as nnssl and nnU-Net save them. */
import { type TorchWritable, type TorchWritableTensor, writeTorchFile } from "../../../data/torch/mod.ts";
import type { NetworkConfig } from "../../../model/config.ts";
import { torchAlias } from "../../../model/parameters.ts";
import { modelParameters } from "../../../train/interop/parameters.ts";
import type { ModelKind } from "../../../train/interop/types.ts";
import { elementCount } from "../../../kernels/spec.ts";
import { noise } from "../../support/ops.ts";

/** Values of every parameter, by name. */
export type Weights = ReadonlyMap<string, TorchWritableTensor & { readonly data: Float32Array<ArrayBuffer> }>;

/** Weights of noise for a network; those of norms around 1. */
export function noiseWeights(kind: ModelKind, network: NetworkConfig, seed = 5): Weights {
  return new Map(
    modelParameters(kind, network).map(({ name, shape }, i) => {
      const values = noise(elementCount(shape), 1000 * seed + i);
      const data = /norm\.weight$/.test(name) ? values.map((v) => 1 + 0.2 * v) : values;
      return [name, { kind: "tensor", dtype: "F32", shape, data }];
    }),
  );
}

/** How {@linkcode stateDict} names tensors. */
export interface StateDictOptions {
  /** Before every key, such as `module.`. */
  readonly prefix?: string;
  /** As sparse encoders of nnssl save them: `conv` and `norm` of the encoder hold other values than `all_modules`, which trained. */
  readonly untrainedCopies?: boolean;
}

/** A state dict of PyTorch: every name of a tensor, aliases as one memory. */
export function stateDict(
  weights: Weights,
  { prefix = "", untrainedCopies = false }: StateDictOptions = {},
): Map<string, TorchWritable> {
  const entries = new Map<string, TorchWritable>();
  for (const [name, tensor] of weights) {
    const alias = torchAlias(name);
    const encoder = name.startsWith("encoder.");
    const old = untrainedCopies && encoder && alias
      ? { ...tensor, data: tensor.data.map((v) => v + 1) }
      : tensor;
    const keys: [string, TorchWritable][] = [
      [name, old],
      ...(alias ? [[alias, tensor] as [string, TorchWritable]] : []),
    ];
    for (const [key, value] of keys) {
      entries.set(`${prefix}${key}`, value);
      if (encoder) entries.set(`${prefix}decoder.${key}`, value);
    }
  }
  return entries;
}

/** JSON as values of PyTorch. */
export function writable(json: unknown): TorchWritable {
  if (Array.isArray(json)) return json.map(writable);
  if (typeof json === "object" && json !== null) {
    return new Map(Object.entries(json).map(([key, value]) => [key, writable(value)]));
  }
  return json as TorchWritable;
}

/** Writes a checkpoint: weights, and what else there is as JSON. */
export async function writeTorchCheckpoint(
  path: string,
  weights: ReadonlyMap<string, TorchWritable>,
  rest: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const others = Object.entries(rest).map(([key, value]): [string, TorchWritable] => [key, writable(value)]);
  await writeTorchFile(path, new Map<string, TorchWritable>([["network_weights", weights], ...others]));
}
