import assert from "node:assert/strict";
import { hashRandom } from "../../data/random.ts";
import { folderDigest } from "./folder_digest.ts";
import { floatVoxels, niftiBytes } from "./nifti_bytes.ts";
import { blobVoxels } from "./small_dataset.ts";
import { spawnSpark3d, temporaryFolder } from "./spawn.ts";

const IMAGES = 48;

/**
 * Runs `spark3d prepare`, kills it at random moments and runs it again, until it was killed `kills` times; a store that gets finished is
 * compared with that of an undisturbed run, byte by byte, and begun anew. After every kill, each file that has its final name must
 * have its final bytes.
 *
 * @param seed of the moments
 */
export async function killPrepare(kills: number, seed: number): Promise<void> {
  using folder = temporaryFolder();
  const raw = `${folder.path}/raw`, store = `${folder.path}/store`;
  await writeImages(raw);
  const prepare = ["prepare", raw, "--out", store, "--compression", "zstd", "--json"];
  const undisturbed = await spawnSpark3d(prepare);
  assert.equal(undisturbed.code, 0, undisturbed.stderr);
  const wanted = await folderDigest(store);
  await Deno.remove(store, { recursive: true });

  const random = hashRandom(seed), delays: number[] = [];
  let finished = 0, found = 0;
  while (delays.length < kills || finished === 0) {
    const delayMs = (0.1 + 0.85 * random.uniform()) * 1000 * undisturbed.seconds;
    const mayKill = delays.length < kills;
    const run = await spawnSpark3d(prepare, {
      onStart: (child) => {
        const timer = mayKill ? setTimeout(() => child.kill("SIGKILL"), delayMs) : undefined;
        child.status.then(() => clearTimeout(timer));
      },
    });
    const context = `after kills at ${delays.map(Math.round)} ms of ${undisturbed.seconds} s`;
    if (run.signal === "SIGKILL") {
      delays.push(delayMs);
      found += await checkFinalNames(store, wanted, context);
      continue;
    }
    assert.equal(run.code, 0, `${context}: ${run.stderr}`);
    assert.deepEqual(await folderDigest(store), wanted, context);
    await Deno.remove(store, { recursive: true });
    finished++;
  }
  assert.ok(found > 0, "no kill came between the first and the last file");
  console.log(
    `${kills} kills, ${finished} stores finished and identical, ${found} finished files met after kills; ` +
      `undisturbed ${undisturbed.seconds.toFixed(1)} s`,
  );
}

async function writeImages(folder: string): Promise<void> {
  await Deno.mkdir(folder);
  for (let i = 0; i < IMAGES; i++) {
    const size = [40 + i % 7, 44, 36 + i % 3] as const;
    const pixdim = [1, 1.2, 1.1, 1.3, 0, 0, 0, 0];
    const name = `${folder}/${String(i).padStart(2, "0")}.nii`;
    await Deno.writeFile(name, niftiBytes({ size, pixdim }, floatVoxels(blobVoxels(size, i))));
  }
}

/** Compares every file without a temporary name with its final content; how many there are. */
async function checkFinalNames(
  store: string,
  wanted: Readonly<Record<string, string>>,
  context: string,
): Promise<number> {
  const found = await folderDigest(store).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return {}; // killed before the store was made
    throw error;
  });
  const final = Object.entries(found).filter(([path]) => !/\.tmp(\/|$)/.test(path));
  for (const [path, digest] of final) assert.equal(digest, wanted[path], `${path} ${context}`);
  return final.length;
}
