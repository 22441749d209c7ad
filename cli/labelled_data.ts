import type { PlanLabelledOptions, PlannedDataset } from "../data/nnunet/mod.ts";
import type { ConfigurationPlan, Plans } from "../data/nnunet/plans.ts";
import type { Output } from "./output.ts";
import { basename, join, resolve } from "./paths.ts";

/** What `ensurePlans` takes: `planLabelled`'s options, and where to show how far it is. */
export interface EnsurePlansOptions
  extends Omit<PlanLabelledOptions, "prepared" | "onExamine" | "onProgress"> {
  /** Folder for what is made of the data set; `preparedFolder(dataset)` when left out. */
  readonly prepared?: string;
  readonly output: Output;
}

/** Where everything that is made of a data set lies when nobody says: `prepared/<name of its folder>`. */
export function preparedFolder(dataset: string): string {
  return join("prepared", basename(resolve(dataset)));
}

/**
 * Checks, plans and splits a data set, or takes what an earlier call left, and shows progress and warnings.
 *
 * @throws {DatasetError} with a line for each problem of the data set
 * @throws {DataError} when a file cannot be read or written, or plans or splits do not fit the data set
 * @throws the signal's reason
 */
export async function ensurePlans({ output, ...options }: EnsurePlansOptions): Promise<PlannedDataset> {
  const { planLabelled } = await import("../data/nnunet/plan_labelled.ts");
  let bar: ReturnType<Output["progress"]> | undefined;
  const planned = await planLabelled({
    ...options,
    prepared: options.prepared ?? preparedFolder(options.dataset),
    onExamine: ({ name, cases }) => {
      output.log(`reading ${cases.length} ${cases.length === 1 ? "case" : "cases"} of ${name}`);
      bar = output.progress("check", cases.length);
    },
    onProgress: (done, total, id) => bar?.update(done, id, total),
  });
  bar?.end();
  for (const warning of planned.warnings) output.warn(warning);
  return planned;
}

/** The configurations of plans, one line each. */
export function plansText({ configurations }: Plans): string {
  return Object.entries(configurations).map(([name, plan]) => `${name}: ${configurationText(plan)}`).join(
    "\n",
  );
}

function configurationText(plan: ConfigurationPlan): string {
  const { network_class_name, arch_kwargs: { n_stages } } = plan.architecture;
  const spacing = plan.spacing
    ? `${plan.spacing.map((step) => Number(step.toPrecision(4))).join(" x ")} mm`
    : "spacing of each case";
  const normalization = plan.normalization_schemes.map((scheme, channel) =>
    scheme.replace("Normalization", "") + (plan.use_mask_for_norm[channel] ? " inside the mask" : "")
  );
  return [
    `patch ${plan.patch_size.join("x")}`,
    `batch ${plan.batch_size}`,
    spacing,
    `median case ${plan.median_image_size_in_voxels.join("x")}`,
    `${network_class_name.split(".").at(-1)} of ${n_stages} stages`,
    normalization.join(", "),
  ].join("; ");
}
