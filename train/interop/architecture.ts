import { type Dims3 } from "../../kernels/spec.ts";
import { isotropic, type NetworkConfig, validateNetwork } from "../../model/config.ts";

/** Shapes of tensors by parameter name. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** A network that tensors describe. */
export interface RecoveredNetwork {
  readonly network: NetworkConfig;
  /** Whether strides are those of transposed convolutions; false where there is no decoder to tell. */
  readonly stridesKnown: boolean;
  /** What shapes do not tell, one sentence each. */
  readonly assumptions: readonly string[];
}

/** Tensors that are not those of a U-Net that is known. */
export class ArchitectureError extends Error {
  override readonly name = "ArchitectureError";
}

/**
 * Recovers the architecture of a U-Net from its tensors.
 *
 * Features, blocks, kernels, channels and outputs are in the shapes, strides between stages in those of the transposed convolutions.
 * Shapes do not tell the stride of the first stage, nor, without a decoder, those of the others.
 *
 * @throws {ArchitectureError} for another network: no encoder, two-dimensional, bottleneck blocks, batch norm
 * @throws {ConfigError} when what was recovered cannot be built
 */
export function architectureFromShapes(shapes: Shapes): RecoveredNetwork {
  const residual = shapes.has("encoder.stem.convs.0.conv.weight");
  const block = (stage: number, index: number) =>
    residual
      ? `encoder.stages.${stage}.blocks.${index}.conv1.conv.weight`
      : `encoder.stages.${stage}.0.convs.${index}.conv.weight`;
  refuseOthers(shapes, block(0, 0));
  const stages = countWhile((stage) => shapes.has(block(stage, 0)));
  const list = <T>(length: number, entry: (index: number) => T) => Array.from({ length }, (_, i) => entry(i));
  const first = shapes.get(residual ? "encoder.stem.convs.0.conv.weight" : block(0, 0))!;
  const features = list(stages, (stage) => shapes.get(block(stage, 0))![0]);
  const assumptions: string[] = [];
  const decoder = shapes.has("decoder.transpconvs.0.weight");
  const pools = list(stages - 1, (j) => shapes.get(`decoder.transpconvs.${j}.weight`));
  const stridesKnown = pools.every((shape) => shape?.length === 5);
  if (!stridesKnown) assumptions.push("strides of 2 along every axis between stages");
  const strides = list(stages, (stage): Dims3 => {
    if (stage === 0) return [1, 1, 1];
    return stridesKnown ? kernelOf(pools[stages - 1 - stage]!) : [2, 2, 2];
  });
  const convs = (j: number) => countWhile((k) => shapes.has(`decoder.stages.${j}.convs.${k}.conv.weight`));
  const decoderConvs = list(stages - 1, (j) => decoder ? convs(j) : residual ? 1 : 2);
  const merged = shapes.get("decoder.stages.0.convs.0.conv.weight");
  const heads = list(stages - 1, (j) => shapes.get(`decoder.seg_layers.${j}.weight`)).filter((head) => head);
  if (heads.length === 0) assumptions.push("one output channel");
  const network = isotropic({
    encoder: residual ? "residual" : "plain",
    inputChannels: first[1],
    outputChannels: heads.at(-1)?.[0] ?? 1,
    features,
    kernels: list(stages, (stage) => kernelOf(shapes.get(block(stage, 0))!)),
    strides,
    blocks: list(stages, (stage) => countWhile((index) => shapes.has(block(stage, index)))),
    decoderConvs,
    skips: merged === undefined || merged[1] !== merged[0],
  });
  validateNetwork(network);
  return { network, stridesKnown, assumptions };
}

/** Whether two networks have the same tensors and strides; what has no tensors does not count. */
export function sameArchitecture(a: NetworkConfig, b: NetworkConfig): boolean {
  const sizes = (
    { encoder, inputChannels, outputChannels, features, kernels, blocks, ...rest }: NetworkConfig,
  ) =>
    JSON.stringify([
      encoder,
      inputChannels,
      outputChannels,
      features,
      kernels,
      blocks,
      rest.strides,
      rest.decoderConvs,
      rest.skips,
    ]);
  return sizes(a) === sizes(b);
}

/** Names what is wrong with tensors of networks that are not known. */
function refuseOthers(shapes: Shapes, firstBlock: string): void {
  const refuse = (found: string, wanted: string): never => {
    throw new ArchitectureError(
      `found ${found}, wanted ${wanted}: use a checkpoint of a ResidualEncoderUNet or PlainConvUNet in 3-D`,
    );
  };
  const weight = shapes.get(firstBlock);
  if (weight === undefined) {
    refuse(`no ${firstBlock}, but ${shapes.keys().next().value ?? "nothing"}`, "an encoder");
  }
  if (weight!.length !== 5) {
    refuse(`${firstBlock} as [${weight}]`, "the five axes of a three-dimensional convolution");
  }
  for (const name of shapes.keys()) {
    if (/\.running_(mean|var)$/.test(name)) refuse(`${name}, of a batch norm`, "instance norms");
    if (/\.blocks\.\d+\.conv3\./.test(name)) {
      refuse(`${name}, of a bottleneck block`, "blocks of two convolutions");
    }
    if (/\.squeeze_excitation\./.test(name)) refuse(name, "blocks without squeeze and excitation");
  }
}

function kernelOf([, , d, h, w]: readonly number[]): Dims3 {
  return [d, h, w];
}

function countWhile(present: (index: number) => boolean): number {
  let count = 0;
  while (present(count)) count++;
  return count;
}
