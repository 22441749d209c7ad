import { ConfigError, type NetworkConfig } from "../../model/config.ts";
import { namedArchitecture } from "../architecture_plan.ts";
import { networkFromPlan } from "../finetune/network_from_plan.ts";
import { ArchitectureError, architectureFromShapes, sameArchitecture, type Shapes } from "./architecture.ts";
import type { ModelDocuments } from "./source.ts";
import type { ArchitectureSource, ModelKind } from "./types.ts";

/** The network of a file, and how it was found. */
export interface DecidedNetwork {
  readonly network: NetworkConfig;
  readonly source: ArchitectureSource;
  readonly assumptions: readonly string[];
  readonly notes: readonly string[];
}

/**
 * The network of a file: as its configuration has it, else as its plan has it where the tensors agree, else as shapes tell. Plans that
 * the caller named are held against the network in any case.
 *
 * @param named whether plans were named by the caller: then tensors that contradict them are an error
 * @throws {ArchitectureError} when tensors are of an unknown network, or contradict plans that were named
 * @throws {ConfigError} when its plan is of layers that are not computed here
 */
export function decideNetwork(shapes: Shapes, documents: ModelDocuments, named: boolean): DecidedNetwork {
  const { network: own, assumptions } = documents;
  const configured: DecidedNetwork | null = own &&
    { network: own, source: "configuration", assumptions, notes: [] };
  if (configured !== null && !named) return configured;
  const recovered = architectureFromShapes(shapes);
  const init = documents.plans ? "he" as const : "pytorch" as const;
  const ofShapes: NetworkConfig = own ?? { ...recovered.network, init };
  const assumed = own ? assumptions : [...assumptions, ...recovered.assumptions];
  const candidate = plannedNetwork(documents, ofShapes);
  if (candidate === null) {
    const more = [...assumed, "a stride of 1 in the first stage"];
    return configured ?? { network: ofShapes, source: "shapes", assumptions: more, notes: [] };
  }
  const { network: planned, source } = candidate;
  // What shapes leave open is the plan's to say.
  const strides = ofShapes.strides.map((stride, stage) =>
    stage === 0 || !recovered.stridesKnown ? planned.strides[stage] ?? stride : stride
  );
  const hasDecoder = recovered.stridesKnown;
  const filled: NetworkConfig = {
    ...ofShapes,
    strides,
    decoderConvs: hasDecoder ? ofShapes.decoderConvs : planned.decoderConvs,
  };
  if (sameArchitecture(filled, { ...planned, skips: filled.skips })) {
    const left = assumed.filter((one) => !/\bstrides?\b/.test(one));
    return { network: filled, source, assumptions: left, notes: [] };
  }
  const found = `${source === "plans" ? "plans" : "an adaptation plan"} of ${
    describe(planned)
  } and tensors of ${describe(ofShapes)}`;
  if (named) {
    throw new ArchitectureError(`found ${found}, wanted the same network: name the plans of this file`);
  }
  return {
    network: ofShapes,
    source: "shapes",
    assumptions: assumed,
    notes: [`Found ${found}: the tensors count`],
  };
}

/** What a file's weights can do, as far as documents leave it open. */
export function decideKind(shapes: Shapes, documents: ModelDocuments): ModelKind {
  if (documents.kind !== null && documents.kind !== "network" && documents.network !== null) {
    return documents.kind;
  }
  if (shapes.has("mask_tokens.0")) return shapes.has("densify_projs.1.weight") ? "s3d" : "s3d-efficient";
  if (documents.plans && documents.configuration && documents.dataset) return "segmentation";
  return documents.kind ?? "network";
}

function plannedNetwork(
  { plans, configuration, adaptationPlan }: ModelDocuments,
  { inputChannels, outputChannels, init }: NetworkConfig,
): { readonly network: NetworkConfig; readonly source: ArchitectureSource } | null {
  const planned = plans && configuration ? plans.configurations[configuration]?.architecture : null;
  const architecture = planned ?? (adaptationPlan && namedArchitecture(adaptationPlan.architecture_plans));
  if (!architecture) return null;
  try {
    const network = networkFromPlan({ architecture }, inputChannels, outputChannels, false);
    return { network: { ...network, init }, source: planned ? "plans" : "adaptation plan" };
  } catch (error) {
    if (error instanceof ConfigError) return null;
    throw error;
  }
}

function describe({ encoder, features, blocks, kernels }: NetworkConfig): string {
  const sizes = kernels.map((kernel) => kernel.join("x"));
  return `a ${encoder} U-Net with features ${features.join(", ")}, blocks ${blocks.join(", ")}, kernels ${
    sizes.join(", ")
  }`;
}
