import {
  type TorchOrderedDict,
  torchOrderedDict,
  type TorchWritable,
  type TorchWritableTensor,
} from "../../data/torch/types.ts";
import { torchKeys } from "../../model/parameters.ts";
import type { ModelFile } from "./types.ts";

/** What state dictionaries are made of. */
export type WeightSource = Pick<ModelFile, "parameters" | "tensors">;

/**
 * The U-Net of a model as PyTorch's state_dict() has it: every encoder tensor under four names (`conv` and `all_modules.0`, `norm` and
 * `all_modules.1`, and the same below `decoder.encoder.`), every block of the decoder under two. All names of a tensor share one
 * storage, which is read from the model when it is written.
 *
 * Source: dynamic-network-architectures, `ConvDropoutNormReLU` and `UNetDecoder`, which register modules twice.
 */
export function networkState(model: WeightSource): TorchOrderedDict {
  const entries = new Map<string, TorchWritable>();
  for (const [name, tensor] of writableTensors(model)) {
    if (!inNetwork(name)) continue;
    for (const key of torchKeys({ name })) entries.set(key, tensor);
  }
  return torchOrderedDict(entries);
}

/**
 * The whole of a sparse auto-encoder as nnssl's `SparK3D` registers it: the U-Net as `architecture.*`, its parts again as `encoder.*`
 * and `decoder.*`, and beside them `mask_tokens.*` and `densify_projs.*`, where the variant has them.
 */
export function sparkState(model: WeightSource): TorchOrderedDict {
  const network = networkState(model).entries;
  const entries = new Map<string, TorchWritable>();
  for (const [key, tensor] of network) entries.set(`architecture.${key}`, tensor);
  for (const [key, tensor] of network) entries.set(key, tensor);
  for (const [name, tensor] of writableTensors(model)) if (!inNetwork(name)) entries.set(name, tensor);
  return torchOrderedDict(entries);
}

/** Whether a parameter belongs to the U-Net itself. */
function inNetwork(name: string): boolean {
  return name.startsWith("encoder.") || name.startsWith("decoder.");
}

/** Tensors in order of declaration, float32. */
function* writableTensors({ parameters, tensors }: WeightSource): Generator<[string, TorchWritableTensor]> {
  for (const { name, shape } of parameters) {
    const tensor = tensors.get(name);
    if (tensor) yield [name, { kind: "tensor", dtype: "F32", shape, data: () => tensor.read() }];
  }
}
