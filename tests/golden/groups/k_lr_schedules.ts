import type { FinetuneConfig } from "../../../train/finetune/config.ts";
import { finetuneLr, finetuneStages, type ScheduledRun } from "../../../train/finetune/stages.ts";
import { learningRate, type Schedule } from "../../../train/schedule.ts";
import type { Checker, GoldenGroup, Tolerance } from "../support.ts";

/**
 * One recorded table: the learning rate of every epoch from `start_epoch` on, or the name of an equal table. Settings that have no key
 * of their own stand in the description.
 */
interface Table {
  readonly class_name: string;
  readonly description: string;
  readonly initial_lr?: number;
  readonly start_epoch?: number;
  readonly num_epochs?: number;
  readonly stages?: readonly { readonly start_epoch: number; readonly stage: string | null }[];
  readonly lr?: readonly number[];
  readonly lr_same_as?: string;
}

/**
 * Compares every table: of pre-training and cosine annealing with `learningRate`, of fine-tuning with `finetuneLr`, and the epochs
 * where its set of trained parameters changes.
 *
 * What the stages train is compared by their names. In the recorded sawtooth of a U-Net the stages named after the decoder train
 * all parameters, because the reference's decoder holds the encoder; here, and in the recorded transformers, they train what
 * their name says.
 */
export function run(group: GoldenGroup, check: Checker): Promise<void> {
  const tables = (group.manifest.tables ?? {}) as Readonly<Record<string, Table>>;
  const tolerance = group.manifest.tolerance as Tolerance | undefined;
  for (const [name, table] of Object.entries(tables)) {
    try {
      compareTable(check, name, table, ratesOf(tables, name), tolerance);
    } catch (error) {
      check.miss(name, "lr", String(error));
    }
  }
  return Promise.resolve();
}

function compareTable(
  check: Checker,
  name: string,
  table: Table,
  lr: readonly number[],
  tolerance: Tolerance | undefined,
): void {
  const first = table.start_epoch ?? 0;
  const epochs = table.num_epochs ?? first + lr.length;
  if (/MAE|Scheduler|CosAnneal/.test(table.class_name)) {
    const schedule = plainSchedule(table, lr);
    const actual = lr.map((_, i) => learningRate(schedule, first + i, epochs));
    check.closeValues(name, "lr", actual, lr, tolerance);
    return;
  }
  const run = finetuningRun(table, lr, epochs);
  const actual = lr.map((_, i) => finetuneLr(run, first + i));
  check.closeValues(name, "lr", actual, lr, tolerance);
  const stages = finetuneStages(run).map(({ startEpoch, trainable }) => [startEpoch, trainable !== "all"]);
  check.equal(name, "first epoch, decoder only", stages, recordedStages(table));
}

/** The learning rates of a table, those of the table that it equals where it has none. @throws {Error} when there are none */
function ratesOf(tables: Readonly<Record<string, Table>>, name: string): readonly number[] {
  const passed = new Set<string>();
  for (let at = name; tables[at] && !passed.has(at); at = tables[at].lr_same_as ?? "") {
    const { lr } = tables[at];
    if (lr) return lr;
    passed.add(at);
  }
  throw new Error(`found no learning rates, neither in ${name} nor in a table that it equals`);
}

/** Number behind a word of the description. */
function described({ description }: Table, word: string): number | undefined {
  const found = new RegExp(`\\b${word} (\\d[\\d.e+-]*)`).exec(description)?.[1];
  return found === undefined ? undefined : Number.parseFloat(found);
}

/** The configuration that stands for a pre-training trainer, a scheduler or cosine annealing of the reference. */
function plainSchedule(table: Table, lr: readonly number[]): Schedule {
  const initialLr = table.initial_lr ?? lr[0];
  if (/CosAnneal/.test(table.class_name)) return { kind: "cosine", initialLr };
  if (/Continue/i.test(table.class_name)) {
    return {
      kind: "continued-poly",
      startEpoch: table.start_epoch ?? 0,
      warmupForm: "additive",
      initialLr: described(table, "initial_lr"),
      warmupLr: described(table, "warmup_lr"),
      finalLr: described(table, "final_lr"),
      warmupEpochs: described(table, "warm-up"),
    };
  }
  if (/offset/.test(table.class_name)) {
    const startEpoch = described(table, "start");
    if (startEpoch === undefined) throw new Error(`found no start in the description "${table.description}"`);
    return { kind: "poly", initialLr, startEpoch };
  }
  if (table.stages?.[0].stage === "warmup_all") {
    return { kind: "warmup-poly", initialLr, warmupEpochs: table.stages[1].start_epoch };
  }
  return { kind: "poly", initialLr };
}

/** The configuration that stands for a fine-tuning trainer of the reference. */
function finetuningRun(table: Table, lr: readonly number[], epochs: number): ScheduledRun {
  const optimizer = { kind: "adamw", lr: table.initial_lr ?? lr[0] } as FinetuneConfig["optimizer"];
  return { schedule: finetuningSchedule(table.stages ?? [], optimizer.lr, lr), epochs, optimizer };
}

function finetuningSchedule(
  stages: NonNullable<Table["stages"]>,
  peak: number,
  lr: readonly number[],
): FinetuneConfig["schedule"] {
  const exponent = 0.9;
  const start = (name: string) => stages.find(({ stage }) => stage === name)?.start_epoch;
  const [warmupAll, train] = [start("warmup_all"), start("train")];
  if (warmupAll === undefined || train === undefined) {
    const decoder = start("train_decoder");
    return decoder === undefined
      ? { kind: "default", exponent }
      : { kind: "frozen", warmupEpochs: decoder, exponent };
  }
  const warmupEpochs = train - warmupAll;
  return warmupAll === 0 ? { kind: "warmup", warmupEpochs, exponent } : {
    kind: "sawtooth",
    decoderEpochs: warmupAll,
    decoderRate: Math.max(...lr.slice(0, warmupAll)) / peak,
    warmupEpochs,
    exponent,
  };
}

/** First epoch of every run of stages that train the same parameters by their names, and whether those are the decoder's. */
function recordedStages({ stages = [] }: Table): [number, boolean][] {
  const named = stages.map(({ start_epoch, stage }): [number, boolean] => [
    start_epoch,
    stage?.endsWith("_decoder") ?? false,
  ]);
  const changes = named.filter(([, decoder], i) => i === 0 || named[i - 1][1] !== decoder);
  return changes.length > 0 ? changes : [[0, false]];
}
