/**
 * Times the S3D pre-training step of ResEnc-L here and in PyTorch, one after the other on one machine.
 *
 *   deno run -A bench/pytorch/beside.ts --help
 *
 * Exit code 1 when our step or every step of PyTorch failed; 2 for options that cannot be used.
 */
import { parseRecords } from "../compare.ts";
import { fromFileUrl } from "../paths.ts";
import { machineFacts } from "../record.ts";
import { runMain } from "../run_main.ts";
import { savedResults, saveResults } from "../save_results.ts";
import {
  BESIDE_USAGE,
  BesideOptionError,
  type BesideOptions,
  ourConfig,
  parseBesideOptions,
  torchArguments,
  torchVariants,
} from "./beside_options.ts";
import {
  type BesideRow,
  failedRow,
  formatBeside,
  ourRow,
  type TorchResult,
  torchRow,
} from "./beside_table.ts";

/** Ways to run our step; one that this machine or checkout does not offer becomes a row with the reason. */
const OUR_PRECISIONS = ["f32", "f16"] as const;
const pathOf = (relative: string) => fromFileUrl(new URL(relative, import.meta.url));

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program; its stderr is collected and shown, its stdout collected. */
async function run(program: string, args: readonly string[]): Promise<Finished> {
  try {
    const { code, stdout, stderr } = await new Deno.Command(program, { args: [...args], stdin: "null" })
      .output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    if (err) console.error(err.trimEnd());
    return { code, stdout: out, stderr: err };
  } catch (cause) {
    return { code: 127, stdout: "", stderr: `Cannot run ${program}: ${cause}` };
  }
}

/** Why a program failed: the last line that it wrote. */
function reason({ code, stderr }: Finished): string {
  return `not run: ${stderr.trim().split("\n").at(-1) || `exit code ${code}`}`;
}

async function ourStep(
  options: BesideOptions,
  precision: string,
): Promise<{ row: BesideRow; adapter: string }> {
  const file = await Deno.makeTempFile({ prefix: "spark3d_", suffix: ".json" });
  try {
    await Deno.writeTextFile(file, JSON.stringify(ourConfig(options, precision)));
    const finished = await run(Deno.execPath(), [
      "run",
      "--allow-all",
      "--no-check",
      `--config=${pathOf("../../deno.json")}`,
      pathOf("../run.ts"),
      "--step=paper",
      `--config=${file}`,
      `--adapter=${options.adapter}`,
      "--json",
    ]);
    if (finished.code !== 0) return { row: failedRow("spark3d", precision, reason(finished)), adapter: "" };
    const records = parseRecords(finished.stdout);
    return { row: ourRow(precision, records), adapter: records[0].adapter };
  } finally {
    await Deno.remove(file);
  }
}

/** Runs both sides. @returns exit code */
export async function runBeside(args: readonly string[]): Promise<number> {
  const options = parseBesideOptions(args);
  if (options === null) {
    console.log(BESIDE_USAGE);
    return 0;
  }
  const rows: BesideRow[] = [];
  let adapter = "";
  for (const precision of OUR_PRECISIONS) {
    console.error(`spark3d, ${precision}`);
    const ours = await ourStep(options, precision);
    rows.push(ours.row);
    adapter ||= ours.adapter;
  }
  let device = options.device;
  for (const variant of torchVariants(options)) {
    console.error(`PyTorch, ${variant.name}`);
    const finished = await run(options.python, [pathOf("step.py"), ...torchArguments(options, variant)]);
    if (finished.code !== 0) {
      rows.push(failedRow("PyTorch", variant.name, reason(finished)));
      continue;
    }
    const result = JSON.parse(finished.stdout) as TorchResult;
    device = result.device;
    rows.push(torchRow(variant.name, result));
  }
  const { patch, batch, micro, ratio, block } = options;
  const shape = `ResEnc-L ${patch}^3, batch ${batch} of ${micro}, ratio ${ratio}, blocks of ${block}`;
  const machine = await machineFacts(adapter || "no adapter");
  const command = ["deno run -A bench/pytorch/beside.ts", ...args].join(" ");
  const saved = savedResults(`step_${patch}_batch_${batch}_micro_${micro}`, command, machine, rows);
  if (options.json) console.log(JSON.stringify({ shape, device, ...saved }));
  else console.log(`${shape}\nours on ${machine.adapter}, PyTorch on ${device}\n\n${formatBeside(rows)}`);
  if (options.save) console.error(`saved ${await saveResults(saved)}`);
  const ran = (library: string) =>
    rows.some((row) => row.library.startsWith(library) && row.medianMs !== null);
  return ran("spark3d") && ran("PyTorch") ? 0 : 1;
}

if (import.meta.main) {
  await runMain(runBeside, BesideOptionError);
}
