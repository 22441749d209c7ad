import { parseLabels } from "../../data/nnunet/labels.ts";
import { elementCount } from "../../kernels/spec.ts";
import { architectureName, architecturePlan } from "../architecture_plan.ts";
import type { ModelFile } from "./types.ts";

/** Keys that were left out for one reason. */
export interface SkippedKeys {
  readonly reason: string;
  readonly count: number;
  readonly example: string;
}

/** A model in facts that JSON holds, without its tensors. */
export interface ModelDescription extends
  Pick<
    ModelFile,
    | "path"
    | "origin"
    | "format"
    | "kind"
    | "network"
    | "architectureSource"
    | "leakyStem"
    | "maskBlock"
    | "adaptationPlan"
    | "configuration"
    | "trained"
    | "assumptions"
    | "notes"
  > {
  /** Name of the architecture in adaptation plans. */
  readonly architecture: string;
  /** Number of tensors and of values in the network, by part; `extra` are tokens and densification. */
  readonly tensors: number;
  readonly parameters: {
    readonly total: number;
    readonly encoder: number;
    readonly decoder: number;
    readonly extra: number;
  };
  /** Foreground labels of a segmentation network. */
  readonly labels: readonly string[];
  readonly keys: {
    readonly used: number;
    readonly aliases: number;
    readonly skipped: readonly SkippedKeys[];
    readonly missing: readonly string[];
    readonly conflicts: number;
  };
}

/** Facts of a model for people and programs; tensors are not read. */
export function describeModel(
  model: Omit<ModelFile, "tensors" | typeof Symbol.asyncDispose>,
): ModelDescription {
  const { parameters, report, dataset, kind } = model;
  const missing = new Set(report.missing);
  const present = parameters.filter(({ name }) => !missing.has(name));
  const count = (part: (name: string) => boolean) =>
    present.filter(({ name }) => part(name)).reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const encoder = count((name) => name.startsWith("encoder."));
  const decoder = count((name) => name.startsWith("decoder."));
  const total = count(() => true);
  const { path, origin, format, network, architectureSource, leakyStem, maskBlock, adaptationPlan } = model;
  const { configuration, trained, assumptions, notes } = model;
  return {
    path,
    origin,
    format,
    kind,
    architecture: architectureName(architecturePlan(network)),
    architectureSource,
    network,
    leakyStem,
    maskBlock,
    tensors: present.length,
    parameters: { total, encoder, decoder, extra: total - encoder - decoder },
    adaptationPlan,
    configuration,
    labels: kind === "segmentation" && dataset
      ? parseLabels(dataset, path).foreground.map(({ name }) => name)
      : [],
    trained,
    keys: {
      used: report.used.length,
      aliases: report.aliases.length,
      skipped: skippedKeys(report.skipped),
      missing: report.missing,
      conflicts: report.conflicts.length,
    },
    assumptions,
    notes,
  };
}

function skippedKeys(skipped: ModelFile["report"]["skipped"]): SkippedKeys[] {
  const groups = Map.groupBy(skipped, ({ reason }) => reason);
  return [...groups].map(([reason, keys]) => ({ reason, count: keys.length, example: keys[0].key }));
}
