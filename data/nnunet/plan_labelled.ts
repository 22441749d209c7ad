import { cleanTemporary, makeFolder, writeJsonAtomic } from "../atomic.ts";
import {
  CHECKED_FILE,
  isUnchanged,
  listFiles,
  readCheckedFiles,
  writeCheckedFiles,
} from "./checked_files.ts";
import { type LabelledDataset, readDataset } from "./dataset.ts";
import { examineDataset, type ExamineOptions } from "./examine_dataset.ts";
import { type LabelledFingerprint, readFingerprint, writeFingerprint } from "./fingerprint.ts";
import { parsePlans } from "./parse_plans.ts";
import { planExperiment } from "./planner/plan_experiment.ts";
import type { PlannerName } from "./planner/planners.ts";
import { type Plans, readPlans, writePlans } from "./plans.ts";
import { requirePlansFor } from "./require_plans.ts";
import { type CaseSplit, crossValidationSplits, FOLDS, readSplits, writeSplits } from "./splits.ts";

/** What to plan, and how. */
export interface PlanLabelledOptions extends ExamineOptions {
  /** Folder of the data set, `DatasetXXX_Name`. */
  readonly dataset: string;
  /** Folder for what is made of it; created when missing, continued when it is there. */
  readonly prepared: string;
  /** "plain" when left out, nnU-Net's default. */
  readonly planner?: PlannerName;
  /** GiB of GPU memory to plan for; the planner's own when left out. */
  readonly gpuMemoryGb?: number;
  /** Name of plans that lie in `prepared`, made elsewhere; nothing is planned then. */
  readonly plansName?: string;
  /** False: takes a stored fingerprint without asking whether the files are still those that were checked. True when left out. */
  readonly check?: boolean;
  /** Called before the files are read, when they have to be. */
  readonly onExamine?: (dataset: LabelledDataset) => void;
}

/** A data set that was checked, with its plans and folds. */
export interface PlannedDataset {
  readonly dataset: LabelledDataset;
  readonly fingerprint: LabelledFingerprint;
  readonly plans: Plans;
  /** Path of the plans. */
  readonly plansFile: string;
  /** None for fewer than five cases without a splits_final.json. */
  readonly splits: readonly CaseSplit[];
  /** Folder of everything that is made of the data set. */
  readonly prepared: string;
  /** Whether files were read, and not only compared with what was checked before. */
  readonly examined: boolean;
  /** Remarks for the user. */
  readonly warnings: readonly string[];
}

/**
 * Checks a data set, takes its fingerprint, plans it and splits it; what an earlier call left in the folder is taken when the files are
 * the same. Writes dataset.json, dataset_fingerprint.json, checked_files.json, PLANS_NAME.json and splits_final.json.
 *
 * Plans that differ from those that the planner makes were edited or imported: they are kept. A splits_final.json in the folder, or in the
 * data set's, is kept too.
 *
 * @throws {DatasetError} with a line for each problem of the data set
 * @throws {DataError} when a file cannot be read or written, or plans or splits do not fit the data set
 * @throws the signal's reason
 */
export async function planLabelled(options: PlanLabelledOptions): Promise<PlannedDataset> {
  const { prepared } = options;
  const dataset = await readDataset(options.dataset);
  await makeFolder(prepared);
  await cleanTemporary(prepared);
  const examined = await fingerprintOf(dataset, options);
  const { plans, plansFile, warnings } = await plansOf(dataset, examined, options);
  const splits = await splitsOf(dataset, prepared);
  return {
    dataset,
    fingerprint: examined.fingerprint,
    plans,
    plansFile,
    splits: splits.splits,
    prepared,
    examined: examined.fresh,
    warnings: [...examined.warnings, ...warnings, ...splits.warnings],
  };
}

interface Examined {
  readonly fingerprint: LabelledFingerprint;
  /** The fingerprint that lay there before. */
  readonly earlier: LabelledFingerprint | null;
  readonly warnings: readonly string[];
  readonly fresh: boolean;
}

async function fingerprintOf(dataset: LabelledDataset, options: PlanLabelledOptions): Promise<Examined> {
  const { prepared, check = true } = options;
  const path = `${prepared}/dataset_fingerprint.json`, recordPath = `${prepared}/${CHECKED_FILE}`;
  const record = await readCheckedFiles(recordPath);
  const earlier = record && await exists(path) ? await readFingerprint(path) : null;
  const files = check || !earlier ? await listFiles(dataset) : [];
  if (record && earlier && (!check || isUnchanged(dataset, files, record))) {
    return { fingerprint: earlier, earlier, warnings: record.warnings, fresh: false };
  }
  await Deno.remove(recordPath).catch(() => {}); // until the data set has passed again
  options.onExamine?.(dataset);
  const { fingerprint, warnings } = await examineDataset(dataset, options);
  await writeFingerprint(path, fingerprint);
  await writeJsonAtomic(`${prepared}/dataset.json`, dataset.description);
  await writeCheckedFiles(recordPath, { description: dataset.description, files, warnings: [...warnings] });
  return { fingerprint, earlier, warnings, fresh: true };
}

async function plansOf(dataset: LabelledDataset, examined: Examined, options: PlanLabelledOptions) {
  const { prepared, plansName } = options;
  const fileOf = (name: string) => `${prepared}/${name}.json`;
  if (plansName !== undefined) {
    const plansFile = fileOf(plansName);
    const plans = await readPlans(plansFile);
    requirePlansFor(dataset, plans, plansFile);
    return { plans, plansFile, warnings: [] };
  }
  const plan = (fingerprint: LabelledFingerprint): Plans =>
    planExperiment({
      name: dataset.name,
      channelNames: dataset.channelNames,
      labels: dataset.labels,
      fingerprint,
      planner: options.planner ?? "plain",
      ...(options.gpuMemoryGb === undefined ? {} : { gpuMemoryGb: options.gpuMemoryGb }),
      reader: dataset.description.overwrite_image_reader_writer as string | null | undefined,
    });
  const planned = plan(examined.fingerprint), plansFile = fileOf(planned.plans_name);
  if (await exists(plansFile)) {
    const found = await readPlans(plansFile);
    const ours = [planned, ...(examined.earlier ? [plan(examined.earlier)] : [])];
    if (!ours.some((one) => samePlans(one, found))) {
      requirePlansFor(dataset, found, plansFile);
      const warning = `${plansFile} differs from what would be planned and is kept: remove it to plan again`;
      return { plans: found, plansFile, warnings: [warning] };
    }
  }
  await writePlans(plansFile, planned);
  return { plans: planned, plansFile, warnings: [] };
}

/** Whether plans say the same, in whatever order. */
function samePlans(a: Plans, b: Plans): boolean {
  const [left, right] = [a, b].map((plans) => JSON.stringify(parsePlans(plans, plans.plans_name)));
  return left === right;
}

async function splitsOf(dataset: LabelledDataset, prepared: string) {
  const path = `${prepared}/splits_final.json`, given = `${dataset.folder}/splits_final.json`;
  const ids = dataset.cases.map(({ id }) => id);
  const source = await exists(path) ? path : await exists(given) ? given : null;
  if (source === null && ids.length < FOLDS) {
    const found = ids.length === 1 ? "1 case is" : `${ids.length} cases are`;
    const warning = `${found} too few for ${FOLDS} folds: train on fold all, or write ${path}`;
    return { splits: [], warnings: [warning] };
  }
  const splits = source === null ? crossValidationSplits(ids) : await readSplits(source, ids);
  if (source !== path) await writeSplits(path, splits);
  const split = new Set(splits.flatMap(({ train, val }) => [...train, ...val]));
  const left = ids.filter((id) => !split.has(id));
  const found = `${left.length} of ${ids.length} cases in no fold of ${source}, the first is ${left[0]}`;
  const warnings = left.length === 0 ? [] : [`${found}: remove the file to split again`];
  return { splits, warnings };
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
