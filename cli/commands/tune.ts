import type { AdapterChoice } from "../../kernels/runtime/provider.ts";
import type { TunedTile, TuningTable } from "../../kernels/spec.ts";
import type { JsonObject } from "../../train/merge_config.ts";
import type { TunedQuery } from "../../train/tune.ts";
import { adapterOption } from "../adapter.ts";
import { addConfigFlags, pretrainFlags, readConfigFlags } from "../config_flags.ts";
import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts, Option } from "../deps.ts";
import { jsonOption, positiveNumber } from "../options.ts";
import { dirname, makeWritableFolder } from "../paths.ts";
import { planConfig, presetOption } from "../plan_config.ts";
import { type StoppedError, stopSignal } from "../stop_signal.ts";

interface TuneOptions extends JsonObject {
  readonly preset?: string;
  readonly config?: string;
  readonly adapter: AdapterChoice;
  readonly budget: number;
  readonly out: string;
}

/** `spark3d tune`: measured tiles for the convolutions of a run, as a table for `--tuning`. */
export function tuneCommand(context: CommandContext): CommandUnknownOpts {
  const command = new Command()
    .description(
      "Times the convolutions of a run on this adapter, those with most arithmetic first, with the tiles that the rule " +
        "chooses and others that fit, and writes the fastest into a table for --tuning of pretrain and plan. " +
        "Another tile adds in another order, so results differ in their last digits. Ctrl-C writes what is known so far.",
    )
    .addOption(presetOption())
    .option(
      "--config <file>",
      "JSON file of settings; options on the command line win",
    ) as unknown as CommandUnknownOpts;
  addConfigFlags(command, pretrainFlags, ["tuning"]);
  return command
    .addOption(
      new Option("--budget <seconds>", "time after which nothing new is begun").argParser(positiveNumber)
        .default(120),
    )
    .addOption(new Option("--out <file>", "the table").default("tuning.json"))
    .addOption(adapterOption())
    .addOption(jsonOption())
    .action((...args) => tuneAction(context, args[0] as TuneOptions));
}

async function tuneAction(context: CommandContext, options: TuneOptions): Promise<void> {
  const { output } = context;
  const { adapter, budget, out } = options;
  const config = await planConfig(options, readConfigFlags(options, pretrainFlags));
  await makeWritableFolder(dirname(out));
  const { openGpu } = await import("../../kernels/runtime/device.ts");
  const { gatherQueries, tuneTiles } = await import("../../train/tune.ts");
  const { chooseClock } = await import("../../bench/clock.ts");
  const { machineFacts } = await import("../../bench/record.ts");
  const { writeJsonAtomic } = await import("../../data/atomic.ts");
  using signal = stopSignal((name) => output.log(`${name}: writing the table; once more to stop at once`));
  const started = performance.now();
  using gpu = await openGpu({ adapter });
  const queries = gatherQueries(config, gpu.facts);
  const { clock } = await chooseClock(gpu);
  output.log(
    `${queries.length} distinct convolutions on ${gpu.facts.adapter}, timed by the ${clock}'s clock`,
  );
  const bar = output.progress("tune", queries.length);
  const tuned = await tuneTiles({
    queries,
    gpu,
    clock,
    budgetMs: budget * 1000 - (performance.now() - started),
    signal,
    onQuery: (query, done) => {
      output.log(queryLine(query));
      bar.update(done);
    },
  });
  const { runtime, commit } = await machineFacts(gpu.facts.adapter);
  const entries = Object.fromEntries(tuned.flatMap(({ key, tile }) => tile ? [[key, tile] as const] : []));
  const table: TuningTable = { adapter: gpu.facts.adapter, runtime, commit, entries };
  await writeJsonAtomic(out, table);
  if (signal.aborted) context.exitCode = (signal.reason as StoppedError).exitCode;
  const measured = tuned.flatMap(({ tile, count, share }) => tile ? [{ tile, count, share }] : []);
  const total = (time: (tile: TunedTile) => number) =>
    measured.reduce((sum, { tile, count }) => sum + count * time(tile), 0);
  const [ruleMs, ms] = [total((tile) => tile.ruleMs), total((tile) => tile.ms)];
  const share = measured.reduce((sum, query) => sum + query.share, 0);
  output.result(
    {
      out,
      adapter: table.adapter,
      clock,
      seconds: (performance.now() - started) / 1000,
      queries: queries.length,
      measured: measured.length,
      shareOfArithmetic: share,
      ruleMs,
      ms,
      tuned,
    },
    `wrote ${out}: ${measured.length} of ${queries.length} convolutions with ${
      percent(share)
    } of the arithmetic; ` +
      `in a micro-batch they take ${ruleMs.toFixed(1)} ms by rule, ${ms.toFixed(1)} ms tuned`,
  );
}

/** One query: its times, and what the best tile gains over the rule's. */
function queryLine({ key, share, tile, tried, count }: TunedQuery): string {
  const what = `${percent(share).padStart(6)}  ${count} x ${key}`;
  if (!tile) return `${what}: too large for this adapter`;
  const { ruleMs, ms, size, quads, blocks } = tile;
  const best = `${size.join("x")} voxels, ${4 * quads} channels${blocks > 1 ? `, ${blocks} blocks` : ""}`;
  return `${what}: rule ${ruleMs.toFixed(3)} ms, best of ${tried} ${ms.toFixed(3)} ms (${best}), gain ${
    percent(1 - ms / ruleMs)
  }`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
