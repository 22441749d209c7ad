/**
 * Times the operations, or whole training steps, on this machine's adapter (`spark3d bench`).
 *
 *   --op=TEXT         only operations whose name contains TEXT
 *   --full            every shape that fits the adapter, however long it takes
 *   --budget=SECONDS  time for the operations, default 140
 *   --step[=PRESET]   whole training steps of a run preset instead, default demo; and the host's cost of a dispatch
 *   --peak            the adapter's peaks alone, kept for this user's runs, of which the dashboard shows the share
 *   --adapter=NAME    auto, high, low, software or dawn
 *   --config=FILE     settings of a run that win over the preset's, for --step
 *   --tuning=FILE     tiles that spark3d tune measured, for --step
 *   --json            JSON lines only, notes on stderr
 *   --save            keep the results in bench/results
 *
 * Lines of two runs are compared by bench/compare.ts. Exit code 1 when an operation disagrees with its reference.
 */
import { parseArgs } from "node:util";
import { openGpu } from "../kernels/runtime/device.ts";
import { ADAPTER_CHOICES } from "../kernels/runtime/provider.ts";
import { saveAdapterPeak } from "../train/adapter_peak.ts";
import { chooseClock } from "./clock.ts";
import { copyCase, fmaCase, measureRoofline } from "./roofline.ts";
import { hostCost } from "./host_cost.ts";
import { benchKernels, familiesWith, toRecord } from "./kernels.ts";
import { type BenchRecord, machineFacts, TABLE_HEADER, tableRow } from "./record.ts";
import { runMain } from "./run_main.ts";
import { savedResults, saveResults } from "./save_results.ts";
import { benchStep } from "./step.ts";
import { validateCase } from "./validate.ts";

const USAGE =
  `Usage: spark3d bench [--op=TEXT] [--full] [--budget=SECONDS] [--step[=PRESET]] [--peak] [--adapter=NAME] [--json] [--save]

  --op=TEXT         only operations whose name contains TEXT
  --full            every shape that fits the adapter, however long it takes
  --budget=SECONDS  time for the operations (default: 140)
  --step[=PRESET]   whole training steps of a run preset instead (default: demo), and the host's cost of a dispatch
  --peak            the adapter's peaks alone, kept for this user's runs, of which the dashboard shows the share
  --adapter=NAME    auto, high, low, software or dawn (default: auto)
  --config=FILE     settings of a run that win over the preset's, for --step; as for spark3d pretrain
  --tuning=FILE     tiles that spark3d tune measured on this adapter, for --step
  --json            JSON lines only, notes on stderr
  --save            keep the results in bench/results`;

/** Runs the benchmark that the arguments describe. @returns exit code */
export async function runBench(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    // a flag with an optional value, which parseArgs does not know
    args: args.map((a) => a === "--step" ? "--step=demo" : a),
    options: {
      "op": { type: "string" },
      "full": { type: "boolean", default: false },
      "budget": { type: "string", default: "140" },
      "step": { type: "string" },
      "peak": { type: "boolean", default: false },
      "adapter": { type: "string", default: "auto" },
      "config": { type: "string" },
      "tuning": { type: "string" },
      "json": { type: "boolean", default: false },
      "save": { type: "boolean", default: false },
      "help": { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const budget = Number(values.budget);
  if (!(budget > 0)) {
    console.error(`Cannot use --budget=${values.budget}: wanted a number of seconds above 0`);
    return 2;
  }
  const adapter = ADAPTER_CHOICES.find((name) => name === values.adapter);
  if (!adapter) {
    console.error(`Cannot use --adapter=${values.adapter}: wanted one of ${ADAPTER_CHOICES.join(", ")}`);
    return 2;
  }
  familiesWith(values.op ?? null); // a name that fits nothing is told before anything is measured
  const note = (text: string) => console.error(text);
  const emit = (record: BenchRecord) => {
    if (!values.json) console.log(tableRow(record));
    else console.log(JSON.stringify(record));
    records.push(record);
  };
  const records: BenchRecord[] = [];
  const started = performance.now();
  let valid = true;
  {
    using gpu = await openGpu({ adapter });
    const machine = await machineFacts(gpu.facts.adapter);
    note(`${machine.adapter}, ${machine.runtime}, commit ${machine.commit}`);
    for (
      const small of [
        fmaCase({ threads: 70, iterations: 9, chains: 2, fused: true }),
        copyCase(1000, { width: 4, group: 64 }),
      ]
    ) {
      await validateCase(gpu, small);
    }
    const choice = await chooseClock(gpu);
    note(
      `clock: ${choice.clock} (a dispatch of ${choice.hostMs.toFixed(0)} ms by the host's clock took ${
        choice.gpuMs === null ? "no timestamp" : `${choice.gpuMs.toFixed(0)} ms by timestamps`
      })`,
    );
    const roofline = await measureRoofline(gpu, choice.clock);
    note(`peaks: ${roofline.gflops.toFixed(1)} GFLOP/s, copy ${roofline.gbps.toFixed(1)} GB/s`);
    if (!values.json) console.log(TABLE_HEADER);
    const common = { machine, clock: choice.clock, roofline };
    for (const peak of [roofline.fma, roofline.copy]) emit(toRecord(peak, common));
    if (values.peak) {
      const [flopPerSecond, bytesPerSecond] = [1e9 * roofline.gflops, 1e9 * roofline.gbps];
      const peak = { flopPerSecond, bytesPerSecond, time: Date.now() };
      const path = await saveAdapterPeak(gpu.facts.adapter, peak);
      note(
        path === null ? "not kept: found no home folder, wanted HOME or XDG_CACHE_HOME" : `kept in ${path}`,
      );
    } else if (values.step === undefined) {
      valid = await benchKernels({
        ...common,
        gpu,
        only: values.op ?? null,
        budgetSeconds: values.full ? null : budget,
        emit,
        note,
      });
    } else {
      emit(await hostCost(gpu, machine, note));
      gpu.failed.then((error) => note(error.message));
      const read = async (path: string | undefined) =>
        path === undefined ? undefined : JSON.parse(await Deno.readTextFile(path));
      const [file, tuning] = [await read(values.config), await read(values.tuning)];
      const fileName = values.config;
      await benchStep({ ...common, preset: values.step, file, fileName, tuning, adapter, emit, note });
    }
  }
  note(`${records.length} results in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  if (!values.json) {
    console.log("");
    for (const record of records) console.log(JSON.stringify(record));
  }
  if (values.save && records.length > 0) {
    const benchmark = values.peak ? "peak" : values.step === undefined ? "operations" : `step_${values.step}`;
    const command = ["spark3d bench", ...args].join(" ");
    note(`saved ${await saveResults(savedResults(benchmark, command, records[0], records))}`);
  }
  if (!valid) note("At least one operation disagrees with its reference: see above");
  return valid ? 0 : 1;
}

if (import.meta.main) {
  if (!Deno.env.get("XDG_RUNTIME_DIR")) Deno.env.set("XDG_RUNTIME_DIR", Deno.env.get("TMPDIR") ?? "/tmp");
  await runMain(runBench);
}
