import type { SafetensorsTensor } from "../../data/safetensors.ts";
import { ConfigError } from "../../model/config.ts";
import { checkpointFile } from "../checkpoint_file.ts";
import { ArchitectureError } from "./architecture.ts";
import { chooseTensors, reportKeys } from "./assign_keys.ts";
import { decideKind, decideNetwork } from "./decide_network.ts";
import { completeDocuments } from "./find_plans.ts";
import { modelAdaptationPlan } from "./model_adaptation_plan.ts";
import { modelParameters } from "./parameters.ts";
import { plansOfWeights } from "./plans_of_weights.ts";
import { unknownPrefix } from "./names.ts";
import { openSafetensorsSource } from "./safetensors_source.ts";
import { segmentationFault } from "./segmentation_fault.ts";
import type { ModelSource, StoredTensor } from "./source.ts";
import { toFloat32 } from "./to_float32.ts";
import { openTorchSource } from "./torch_source.ts";
import { type ModelFile, ModelFileError, type ModelTensor, type ReadModelOptions } from "./types.ts";

/**
 * Opens a file of weights: a run folder, a safetensors file, or a checkpoint of nnssl or nnU-Net. Tensors stay in the file until
 * they are asked for, but those that a file has twice are compared.
 *
 * @throws {ModelFileError} when it holds no network that is known, or plans that were named do not fit
 * @throws {SafetensorsError | TorchError | DataError} when it is damaged or cannot be read
 *
 * @example
 * ```ts ignore
 * await using model = await readModel("checkpoint_final.pth");
 * console.log(model.kind, model.network.features, model.report.missing);
 * ```
 */
export async function readModel(path: string, options: ReadModelOptions = {}): Promise<ModelFile> {
  const source = await isTorchFile(path)
    ? await openTorchSource(path)
    : await openSafetensorsSource(await checkpointFile(path));
  try {
    return await describeSource(source, options);
  } catch (error) {
    await source[Symbol.asyncDispose]();
    if (error instanceof ArchitectureError) {
      throw new ModelFileError(`Cannot read a network from ${source.path}: ${error.message}`, source.path);
    }
    if (error instanceof ConfigError) {
      const text = `${error.message}: use a checkpoint of a network that spark3d builds`;
      throw new ModelFileError(`Cannot read a network from ${source.path}: ${text}`, source.path);
    }
    throw error;
  }
}

async function describeSource(source: ModelSource, options: ReadModelOptions): Promise<ModelFile> {
  const documents = await completeDocuments(source.documents, source.path, options);
  const chosen = chooseTensors(source.tensors);
  if (chosen.size === 0) refuseStrangers(source);
  const shapes = new Map([...chosen].map(([name, { shape }]) => [name, shape]));
  const decided = decideNetwork(shapes, documents, options.plans !== undefined);
  const { network } = decided;
  const fault = segmentationFault(documents, network, source.path);
  const asked = decideKind(shapes, documents);
  const kind = asked === "segmentation" && fault !== null ? "network" : asked;
  const parameters = modelParameters(kind, network);
  for (const { name, shape } of parameters) {
    const found = chosen.get(name);
    if (found !== undefined) requireTensor(source.path, found, shape);
  }
  const report = await reportKeys(source.tensors, chosen, parameters, source.read);
  const { plans, notes: changed } = plansOfWeights(documents, network);
  const plan = modelAdaptationPlan({ ...documents, plans }, network, decided.source !== "shapes");
  const tensors = parameters.flatMap(({ name }): [string, ModelTensor][] => {
    const stored = chosen.get(name);
    return stored === undefined ? [] : [[name, lazyTensor(source, name, stored)]];
  });
  const { origin, format, configuration, dataset, config, trained } = documents;
  const masks = kind !== "segmentation" && kind !== "network";
  const maskBlock = masks ? documents.maskBlock : null;
  const ofNnssl = format === "torch" && maskBlock !== null
    ? [`mask blocks of ${maskBlock} voxels, as nnssl has them`]
    : [];
  return {
    path: source.path,
    origin,
    format,
    kind,
    network,
    architectureSource: decided.source,
    assumptions: [...decided.assumptions, ...ofNnssl],
    notes: [...documents.notes, ...decided.notes, ...changed, ...plan.notes, ...(fault ? [fault] : [])],
    leakyStem: masks && documents.leakyStem,
    maskBlock,
    adaptationPlan: plan.plan,
    plans,
    configuration,
    dataset,
    config,
    trained,
    parameters,
    tensors: new Map(tensors),
    report,
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

function lazyTensor(source: ModelSource, name: string, { key, shape, dtype }: StoredTensor): ModelTensor {
  return {
    name,
    shape,
    dtype,
    read: async () => {
      const values = toFloat32(await source.read(key));
      const odd = values.findIndex((value) => !Number.isFinite(value));
      if (odd < 0) return values;
      throw new ModelFileError(
        `Cannot take ${name} from ${source.path}: found ${
          values[odd]
        } as its value ${odd} in float32, wanted finite weights: ` +
          "use a checkpoint from before training diverged",
        source.path,
      );
    },
  };
}

/** @throws {ArchitectureError} that says what a file holds, none of whose tensors is one of a U-Net */
function refuseStrangers({ tensors, documents: { notes } }: ModelSource): never {
  if (tensors.length === 0) {
    const also = notes.length > 0 ? `, and ${notes[0]}` : "";
    throw new ArchitectureError(`found no tensors${also}, wanted those of a U-Net: save its state_dict()`);
  }
  const keys = tensors.map(({ key }) => key);
  const prefix = unknownPrefix(keys);
  throw new ArchitectureError(
    prefix === null
      ? `found no tensor of a U-Net, but ${
        keys[0]
      }, wanted its encoder: use a checkpoint of a ResidualEncoderUNet or PlainConvUNet in 3-D`
      : `found a U-Net's tensors below ${prefix}, wanted them by their own names: save its state_dict() without that prefix`,
  );
}

const FLOATS: ReadonlySet<SafetensorsTensor["dtype"]> = new Set(["F32", "F16", "BF16", "F64"]);

function requireTensor(path: string, { key, shape, dtype }: StoredTensor, wanted: readonly number[]): void {
  if (shape.join() === wanted.join() && FLOATS.has(dtype)) return;
  throw new ModelFileError(
    `Cannot read a network from ${path}: found ${key} as ${dtype} [${shape}], wanted floating-point numbers [${wanted}]: ` +
      `use a complete checkpoint of one network`,
    path,
  );
}

/** Whether a file is one of PyTorch: no safetensors header, but the name or the first bytes of a zip or a pickle. */
async function isTorchFile(path: string): Promise<boolean> {
  const found = await Deno.stat(path).catch(() => null);
  if (!found?.isFile) return false;
  using file = await Deno.open(path);
  const first = new Uint8Array(9);
  await file.read(first);
  const safetensors = first[8] === 0x7b && first.subarray(4, 8).every((byte) => byte === 0);
  const torch = first[0] === 0x50 && first[1] === 0x4b || first[0] === 0x80 && first[1] <= 5;
  return !safetensors && (torch || /\.(pth|pt|ckpt)$/i.test(path));
}
