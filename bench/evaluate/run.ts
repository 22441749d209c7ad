/**
 * Times the metrics of one pair of label maps on one thread: Dice alone, and with NSD, HD95 and ASSD.
 *
 *   deno run -A bench/evaluate/run.ts [--size=256] [--classes=11] [--runs=3]
 *
 * One JSON object a line. Exit code 1 when 256^3 with 11 classes takes longer than 0.5 s and 10 s.
 */
import { caseMetrics } from "../../evaluate/case_metrics.ts";
import { machineFacts, median } from "../record.ts";
import { runMain } from "../run_main.ts";
import { labelMapPair } from "./label_maps.ts";

/** Longest times wanted for 256^3 with 11 classes, ms. */
const WANTED_MS = { overlap: 500, surface: 10_000 };

/** @throws {RangeError} naming the option that cannot be used */
function parseOptions(args: readonly string[]): { size: number; classes: number; runs: number } {
  const options = { size: 256, classes: 11, runs: 3 };
  for (const arg of args) {
    const [, key, value] = /^--(size|classes|runs)=(\d+)$/.exec(arg) ?? [];
    if (key === undefined || Number(value) < 1) {
      throw new RangeError(`Cannot use ${arg}: wanted --size=N, --classes=N or --runs=N, at least 1`);
    }
    options[key as keyof typeof options] = Number(value);
  }
  return options;
}

async function main(args: readonly string[]): Promise<number> {
  const { size, classes: classCount, runs } = parseOptions(args);
  const { runtime, commit } = await machineFacts("");
  const classes = Array.from({ length: classCount }, (_, i) => ({ name: `${i + 1}`, values: [i + 1] }));
  let met = true;
  for (const name of ["structures", "scattered"] as const) {
    const { shape, reference, prediction } = labelMapPair(name, size, classCount);
    for (const [what, surface] of [["overlap", false], ["surface", true]] as const) {
      const times: number[] = [];
      for (let run = 0; run < runs; run++) {
        const started = performance.now();
        caseMetrics({ data: reference, shape }, { data: prediction, shape }, {
          classes,
          ignore: null,
          spacing: [1, 1, 1],
          tolerances: classes.map(() => 1),
          surface,
        });
        times.push(performance.now() - started);
      }
      const medianMs = Math.round(median(times));
      met &&= medianMs <= WANTED_MS[what];
      console.log(JSON.stringify({
        maps: name,
        size,
        classes: classCount,
        metrics: surface ? "Dice, IoU, NSD, HD95, ASSD" : "Dice, IoU",
        medianMs,
        minMs: Math.round(Math.min(...times)),
        threads: 1,
        runs,
        runtime,
        commit,
      }));
    }
  }
  return met ? 0 : 1;
}

if (import.meta.main) {
  await runMain(main, RangeError);
}
