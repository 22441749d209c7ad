import { learningRate, type Schedule } from "../../../train/schedule.ts";
import type { Checker, GoldenGroup, Tolerance } from "../support.ts";

/** One recorded table: the learning rate of every epoch from `start_epoch` on, or the name of an equal table. */
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

/** Compares the pre-training tables; tables of fine-tuning and supervised trainers are named as pending. */
export function run(group: GoldenGroup, check: Checker): Promise<void> {
  const tables = group.manifest.tables as Readonly<Record<string, Table>>;
  const tolerance = group.manifest.tolerance as Tolerance;
  for (const [name, table] of Object.entries(tables)) {
    if (!name.startsWith("nnssl_")) {
      check.pending(`${name}: comes with fine-tuning`);
      continue;
    }
    const lr = table.lr ?? tables[table.lr_same_as!].lr!;
    const first = table.start_epoch ?? 0;
    const epochs = first + lr.length;
    const schedule = scheduleOf(table, lr);
    const actual = lr.map((_, i) => learningRate(schedule, first + i, epochs));
    check.closeValues(name, "lr", actual, lr, tolerance);
  }
  return Promise.resolve();
}

/** The configuration that stands for a reference trainer or scheduler. */
function scheduleOf(table: Table, lr: readonly number[]): Schedule {
  const initialLr = table.initial_lr ?? lr[0];
  if (/Continue/i.test(table.class_name)) {
    return { kind: "continued-poly", startEpoch: table.start_epoch ?? 0, warmupForm: "additive" };
  }
  if (/offset/.test(table.class_name)) {
    const startEpoch = Number(/start (\d+)/.exec(table.description)?.[1]);
    return { kind: "poly", initialLr, startEpoch };
  }
  if (table.stages?.[0].stage === "warmup_all") {
    return { kind: "warmup-poly", initialLr, warmupEpochs: table.stages[1].start_epoch };
  }
  return { kind: "poly", initialLr };
}
