/**
 * Crops a second that the loader hands out, from plain and from compressed stores.
 *
 *   deno run -A bench/loader/run.ts --help
 *
 * One JSON object a line. Exit code 1 when a plain float16 store gives fewer crops than wanted, 2 for wrong options. Generated stores have just been written, so that the page cache holds them; of a store of your own it should.
 */
import { DataError } from "../../data/errors.ts";
import type { Dims3 } from "../../data/volume.ts";
import { measureLoader } from "./measure.ts";
import { headImages, writeHeadStore } from "./phantom_store.ts";

const USAGE = `Usage: deno run -A bench/loader/run.ts [options]

  --store=FOLDER  a prepared store; without it generated heads of 181x217x181 voxels, in every kind of store
  --workers=N     threads that read (default: 2)
  --seconds=N     time of each measurement (default: 4)`;

const HEADS = 3;
const HEAD_SHAPE: Dims3 = [181, 217, 181];
const KINDS = [["float16", "none"], ["float16", "zstd"], ["float32", "none"], ["float32", "zstd"]] as const;
/** Crops with their patches, a plain one of 96 and what a patch of 160 is rotated in, and how many a second are wanted of two workers. */
const CASES = [{ crop: 96, patch: 96, wanted: 30 }, { crop: 257, patch: 160, wanted: 3 }] as const;

interface Options {
  readonly store: string | null;
  readonly workers: number;
  readonly seconds: number;
}

/** @throws {RangeError} naming the option that cannot be used */
function parseOptions(args: readonly string[]): Options {
  let store: string | null = null, workers = 2, seconds = 4;
  for (const arg of args) {
    const [key, value = ""] = arg.split("=");
    if (key === "--store") store = value;
    else if (key === "--workers") workers = Number(value);
    else if (key === "--seconds") seconds = Number(value);
    else throw new RangeError(`Cannot use ${arg}: unknown option\n\n${USAGE}`);
    if (store === "" || !(Number.isInteger(workers) && workers >= 0 && seconds > 0)) {
      throw new RangeError(`Cannot use ${arg}: see --help\n\n${USAGE}`);
    }
  }
  return { store, workers, seconds };
}

/** @returns whether all cases that have a goal reach it */
async function measureStore(store: string, { workers, seconds }: Options): Promise<boolean> {
  let reached = true;
  for (const { crop, patch, wanted } of CASES) {
    const record = await measureLoader({ store, crop, patch, workers, seconds });
    console.log(JSON.stringify(record));
    if (record.compression === "none" && record.dtype === "float16") {
      reached &&= record.cropsPerSecond >= wanted;
    }
  }
  return reached;
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  const options = parseOptions(args);
  if (options.store !== null) return await measureStore(options.store, options) ? 0 : 1;
  const images = headImages(HEADS, HEAD_SHAPE);
  const folder = await Deno.makeTempDir({ prefix: "spark3d-loader-" });
  let reached = true;
  try {
    for (const [dtype, compression] of KINDS) {
      const store = `${folder}/${dtype}-${compression}`;
      await writeHeadStore(store, images, dtype, compression);
      reached = await measureStore(store, options) && reached;
      await Deno.remove(store, { recursive: true });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return reached ? 0 : 1;
}

if (import.meta.main) {
  try {
    Deno.exitCode = await main(Deno.args);
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof DataError)) throw error;
    console.error(error.message);
    Deno.exitCode = 2;
  }
}
