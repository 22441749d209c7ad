/** Networks of the recorded groups: configuration, recorded weights, and parameter names of both sides. */
import type { Value } from "../../kernels/graph/graph.ts";
import { elementCount } from "../../kernels/spec.ts";
import { type NetworkConfig, NORM_EPS, SLOPE } from "../../model/config.ts";
import type { MaeKind } from "../../model/mae.ts";
import { torchAlias, torchKeys } from "../../model/parameters.ts";
import { dims3, type Fed, type FedGraph, recorded } from "./gpu.ts";
import type { Checker, GoldenCase, GoldenGroup, TensorRef } from "./support.ts";

/** A recorded state dict: `tensors` once each, other names of the same tensor, and tensors that start equal to another. */
export interface RecordedState {
  readonly tensors: Readonly<Record<string, TensorRef>>;
  readonly aliases?: Readonly<Record<string, string>>;
  readonly copies?: Readonly<Record<string, string>>;
  readonly order?: readonly string[];
}

/** A recorded network. */
export interface RecordedNetwork extends RecordedState {
  readonly architecture: Readonly<Record<string, unknown>>;
  readonly n_unique_parameters?: number;
}

/** The network that a case names in the manifest's table. @throws {Error} when there is none */
export function namedNetwork<T = RecordedNetwork>(group: GoldenGroup, c: GoldenCase): T {
  const name = String(c.attributes.network ?? c.network);
  const network = (group.manifest.networks as Record<string, T> | undefined)?.[name];
  if (!network) throw new Error(`the manifest has no network ${name}`);
  return network;
}

/** A recorded architecture as a configuration. @throws {Error} when it asks for something that networks here do not have */
export function networkConfig(architecture: Readonly<Record<string, unknown>>): NetworkConfig {
  const norm = architecture.norm_op_kwargs as { eps?: number; affine?: boolean } | undefined;
  const fixed: [string, unknown, unknown][] = [
    ["norm", architecture.norm ?? "InstanceNorm3d", "InstanceNorm3d"],
    ["nonlin", architecture.nonlin ?? `LeakyReLU(${SLOPE})`, `LeakyReLU(${SLOPE})`],
    ["block", architecture.block ?? "BasicBlockD", "BasicBlockD"],
    ["conv_bias", architecture.conv_bias ?? true, true],
    ["eps", norm?.eps ?? NORM_EPS, NORM_EPS],
    ["affine", norm?.affine ?? true, true],
  ];
  for (const [name, found, wanted] of fixed) {
    if (found !== wanted) throw new Error(`${name} is ${found}, networks here have ${wanted}`);
  }
  const features = architecture.features_per_stage as number[];
  const perStage = (value: unknown, length: number) =>
    Array.from({ length }, (_, i) => Array.isArray(value) ? value[i] : value);
  return {
    encoder: "residual",
    inputChannels: Number(architecture.input_channels),
    outputChannels: Number(architecture.num_classes),
    features,
    kernels: perStage(architecture.kernel_sizes, features.length).map((k) => dims3(k, "kernel size")),
    strides: perStage(architecture.strides, features.length).map((s) => dims3(s, "stride")),
    blocks: perStage(architecture.n_blocks_per_stage, features.length).map(Number),
    decoderConvs: perStage(architecture.n_conv_per_stage_decoder, features.length - 1).map(Number),
    deepSupervision: architecture.deep_supervision === true,
    skips: true,
    init: "pytorch",
    zeroHead: false,
  };
}

/** Which masked auto-encoder a sparse network is: told by its tokens and projections. */
export function sparseKind(network: RecordedNetwork): MaeKind {
  const has = (prefix: string) => Object.keys(network.tensors).some((key) => key.startsWith(prefix));
  return has("densify_projs.") ? "s3d" : has("mask_tokens.") ? "s3d-efficient" : "s3d-no-token";
}

/**
 * The recorded name of the tensor that takes part in the computation. A sparse encoder's `all_modules.*` are tensors of their
 * own and the only ones in use, so they win over `conv` and `norm`.
 */
function recordedName(state: RecordedState, name: string): string {
  const distinct = (key: string) => key in state.tensors || key in (state.copies ?? {});
  const alias = torchAlias(name);
  const names = alias ? [alias, name] : [name];
  const found = [...names.map((key) => `architecture.${key}`), ...names].find(distinct);
  if (!found) throw new Error(`the recorded state has no tensor for parameter ${name}`);
  return found;
}

/** Recorded starting value by recorded name. */
export function recordedStart(group: GoldenGroup, state: RecordedState, name: string): Fed {
  return recorded(group, state.tensors[state.copies?.[name] ?? name]);
}

/** Gives every parameter of the graph its recorded value; returns parameters by recorded name. */
export function loadState(
  group: GoldenGroup,
  state: RecordedState,
  fed: FedGraph,
): ReadonlyMap<string, Value> {
  return new Map(fed.graph.parameters.map((parameter) => {
    const name = recordedName(state, parameter.name);
    fed.feed(parameter, recordedStart(group, state, name));
    return [name, parameter];
  }));
}

/** Compares parameter names and count with the recorded state dict. */
export function checkState(
  check: Checker,
  caseId: string,
  state: RecordedState,
  parameters: readonly Value[],
  uniqueParameters: unknown,
): void {
  const wrapped = Object.keys(state.tensors).some((key) => key.startsWith("architecture."));
  const keys = new Set(parameters.flatMap((p) => {
    if (!/^(encoder|decoder)\./.test(p.name)) return [p.name];
    return wrapped ? torchKeys(p).flatMap((key) => [`architecture.${key}`, key]) : torchKeys(p);
  }));
  if (state.order) check.equal(caseId, "state dict keys", [...keys].sort(), state.order.toSorted());
  if (typeof uniqueParameters !== "number") return;
  const count = (list: readonly Value[]) => list.reduce((sum, p) => sum + elementCount(p.spec.shape), 0);
  // In a converted network every conv and norm of the encoder exists twice: the copy in use and one that stays as it was.
  const twice = wrapped ? parameters.filter((p) => p.name.startsWith("encoder.")) : [];
  check.equal(caseId, "distinct parameters", count(parameters) + count(twice), uniqueParameters);
}

/**
 * Compares all recorded gradients, and that exactly the listed parameters have none.
 *
 * @param parameters by recorded name
 * @param gradients found gradients by parameter
 * @param decayOnly parameters whose recorded gradient is zero because nothing depends on them
 */
export function checkGradients(
  check: Checker,
  c: GoldenCase,
  parameters: ReadonlyMap<string, Value>,
  gradients: ReadonlyMap<Value, Float32Array>,
  decayOnly: readonly Value[] = [],
): void {
  const withoutGradient = new Set((c.attributes.parameters_without_gradient ?? []) as string[]);
  for (const [name, parameter] of parameters) {
    const ref = c.outputs[`grad:${name}`];
    const gradient = gradients.get(parameter) ??
      (decayOnly.includes(parameter) ? new Float32Array(elementCount(parameter.spec.shape)) : undefined);
    if (ref && gradient) check.close(c.id, `grad:${name}`, gradient, ref);
    else if (ref) check.miss(c.id, `grad:${name}`, "no gradient flows to this parameter");
    else {check.equal(
        c.id,
        `${name} without gradient`,
        gradient === undefined && withoutGradient.has(name),
        true,
      );}
  }
  for (const output of Object.keys(c.outputs)) {
    if (output.startsWith("grad:") && !parameters.has(output.slice(5))) {
      check.miss(c.id, output, "the network has no such parameter");
    }
  }
}
