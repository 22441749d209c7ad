/**
 * Times resampling to 1 mm here and with scikit-image as nnU-Net calls it, in turns, each on one thread of one processor.
 *
 *   deno run -A bench/resample/run.ts --help
 *
 * One JSON object a line. Exit code 1 when results differ or we are less than three times as fast; 2 for wrong options.
 */
import { resampledShape, separateZ } from "../../data/resample.ts";
import { voxelCount } from "../../data/volume.ts";
import { fromFileUrl } from "../paths.ts";
import { machineFacts } from "../record.ts";
import { runMain } from "../run_main.ts";
import { caseImage, CASES, type ResampleCase } from "./cases.ts";
import { AGREEMENT, compareAnswers } from "./compare.ts";
import type { ResampleAnswer, ResampleJob } from "./job.ts";
import { Side } from "./side.ts";

const USAGE = `Usage: deno run -A bench/resample/run.ts [options]

  --case=NAME       ${CASES.map(({ name }) => name).join(", ")}; all when left out
  --runs=N          timed runs of each side after one to warm up (default: 3)
  --python=PROGRAM  Python with scikit-image (default: python3); Debian: apt-get install python3-skimage, /usr/bin/python3
  --gpu             also time our resampling on the GPU, transfers included, beside ours on the processor
  --cpu=N           processor that both are held to (default: 0; none: the system chooses)`;

/** Least that peer's time over ours is to be. */
const WANTED_RATIO = 3;
/** Voxels of a result that are compared. */
const COMPARED = 20_000;

interface Options {
  readonly cases: readonly ResampleCase[];
  readonly runs: number;
  readonly python: string;
  readonly gpu: boolean;
  readonly cpu: number | null;
}

/** @throws {RangeError} naming the option that cannot be used */
function parseOptions(args: readonly string[]): Options {
  let cases = CASES, runs = 3, python = "python3", gpu = false, cpu: number | null = 0;
  for (const arg of args) {
    const [key, value = ""] = arg.split("=");
    const number = Number(value);
    if (key === "--case") cases = CASES.filter(({ name }) => name === value);
    else if (key === "--runs") runs = number;
    else if (key === "--python") python = value;
    else if (arg === "--gpu") gpu = true;
    else if (key === "--cpu") cpu = value === "none" ? null : number;
    else throw new RangeError(`Cannot use ${arg}: unknown option\n\n${USAGE}`);
    const known = cases.length > 0 && Number.isInteger(runs) && runs > 0 && python !== "";
    if (!known || !(cpu === null || Number.isInteger(cpu))) {
      throw new RangeError(`Cannot use ${arg}: see --help\n\n${USAGE}`);
    }
  }
  return { cases, runs, python, gpu, cpu };
}

/** Runs one case on all sides in turns, once to warm up. @returns the answers of each side's timed runs */
async function runCase(at: ResampleCase, sides: readonly Side[], runs: number): Promise<ResampleAnswer[][]> {
  const file = await Deno.makeTempFile({ prefix: "spark3d_resample_", suffix: ".f32" });
  try {
    await Deno.writeFile(file, new Uint8Array(caseImage(at).buffer));
    const { shape, spacing, newSpacing } = at;
    const newShape = resampledShape(shape, spacing, newSpacing);
    const { axis } = separateZ(spacing, newSpacing);
    const every = Math.max(1, Math.floor(voxelCount(newShape) / COMPARED)) | 1;
    const job: ResampleJob = { file, shape, newShape, spacing, newSpacing, separateAxis: axis, every };
    const answers = sides.map((): ResampleAnswer[] => []);
    for (let run = 0; run <= runs; run++) {
      for (const [i, side] of sides.entries()) {
        const answer = await side.ask<ResampleAnswer>(job);
        if (run > 0) answers[i].push(answer);
      }
    }
    return answers;
  } finally {
    await Deno.remove(file);
  }
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  const options = parseOptions(args);
  const here = (name: string) => fromFileUrl(new URL(name, import.meta.url));
  const flags = ["run", "--allow-all", "--no-check", `--config=${here("../../deno.json")}`];
  const sides = [
    new Side(Deno.execPath(), [...flags, here("ours.ts")], options.cpu),
    new Side(options.python, [here("skimage_side.py")], options.cpu),
    ...(options.gpu ? [new Side(Deno.execPath(), [...flags, here("ours.ts"), "--gpu"], null)] : []),
  ];
  let met = true;
  try {
    const names: unknown[] = [];
    for (const side of sides) names.push(await side.answer());
    const { runtime, commit } = await machineFacts("");
    for (const at of options.cases) {
      const [ours, peer, onGpu] = await runCase(at, sides, options.runs);
      const compared = compareAnswers(ours, peer);
      met &&= compared.ratio >= WANTED_RATIO && compared.difference <= AGREEMENT;
      const gpu = onGpu && compareAnswers(onGpu, ours);
      met &&= !gpu || gpu.difference <= AGREEMENT;
      console.log(JSON.stringify({
        ...at,
        newShape: resampledShape(at.shape, at.spacing, at.newSpacing),
        ...compared,
        ...(gpu ? { gpuMs: gpu.oursMs, gpuMedianMs: gpu.oursMedianMs, gpuDifference: gpu.difference } : {}),
        sides: names,
        cpu: options.cpu,
        runtime,
        commit,
      }));
    }
  } finally {
    await Promise.all(sides.map((side) => side.close()));
  }
  return met ? 0 : 1;
}

if (import.meta.main) {
  await runMain(main, RangeError);
}
