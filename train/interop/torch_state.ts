import {
  type TorchOrderedDict,
  torchOrderedDict,
  type TorchWritable,
  type TorchWritableTensor,
} from "../../data/torch/types.ts";
import { torchKeys } from "../../model/parameters.ts";
import type { ModelFile } from "./types.ts";

/** Tensors to be written, by parameter name. */
export type WritableTensors = ReadonlyMap<string, TorchWritableTensor>;

/** The tensors of a model in order of declaration, float32; each is read when it is written, once however many names it gets. */
export function writableTensors(
  { parameters, tensors }: Pick<ModelFile, "parameters" | "tensors">,
): WritableTensors {
  return new Map(parameters.flatMap(({ name, shape }): [string, TorchWritableTensor][] => {
    const tensor = tensors.get(name);
    return tensor ? [[name, { kind: "tensor", dtype: "F32", shape, data: () => tensor.read() }]] : [];
  }));
}

/**
 * The U-Net of a model as PyTorch's state_dict() has it: every encoder tensor under four names (`conv` and `all_modules.0`, `norm` and
 * `all_modules.1`, and the same below `decoder.encoder.`), every block of the decoder under two. All names of a tensor share one
 * storage.
 *
 * Source: dynamic-network-architectures, `ConvDropoutNormReLU` and `UNetDecoder`, which register modules twice.
 */
export function networkState(tensors: WritableTensors): TorchOrderedDict {
  const entries = new Map<string, TorchWritable>();
  for (const [name, tensor] of tensors) {
    if (!inNetwork(name)) continue;
    for (const key of torchKeys({ name })) entries.set(key, tensor);
  }
  return torchOrderedDict(entries);
}

/**
 * The whole of a sparse auto-encoder as nnssl's `SparK3D` registers it: the U-Net as `architecture.*`, its parts again as `encoder.*`
 * and `decoder.*`, and beside them `mask_tokens.*` and `densify_projs.*`, where the variant has them.
 */
export function sparkState(tensors: WritableTensors): TorchOrderedDict {
  const network = networkState(tensors).entries;
  const entries = new Map<string, TorchWritable>();
  for (const [key, tensor] of network) entries.set(`architecture.${key}`, tensor);
  for (const [key, tensor] of network) entries.set(key, tensor);
  for (const [name, tensor] of tensors) if (!inNetwork(name)) entries.set(name, tensor);
  return torchOrderedDict(entries);
}

/** Whether a parameter belongs to the U-Net itself. */
function inNetwork(name: string): boolean {
  return name.startsWith("encoder.") || name.startsWith("decoder.");
}
