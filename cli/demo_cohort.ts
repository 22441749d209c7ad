import { makeFolder } from "../data/atomic.ts";
import { dirname, exists, join } from "./paths.ts";
import type { Output } from "./output.ts";

/** Size and seed of the cohort that `pretrain` generates when it gets no data. */
export const demoCohort = { subjects: 8, seed: 1 } as const;

/** Name of its folder. */
export const demoCohortName = `demo_cohort_${demoCohort.subjects}_seed${demoCohort.seed}`;

/**
 * Finds the demo cohort in `folder`, or generates it there: procedural heads in a BIDS tree. It appears under its name
 * only when it is complete.
 *
 * @returns its path
 */
export async function ensureDemoCohort(
  folder: string,
  output: Output,
  signal?: AbortSignal,
): Promise<string> {
  const { subjects, seed } = demoCohort;
  const path = join(folder, demoCohortName);
  if (await exists(path)) {
    output.log(`no --data given: using the demo cohort in ${path}`);
    return path;
  }
  output.log(`no --data given: generating a demo cohort of ${subjects} procedural heads in ${path}`);
  const { writePhantomCohort } = await import("../data/phantom/mod.ts");
  const unfinished = `${path}.${Deno.pid}.tmp`;
  await makeFolder(dirname(path));
  const bar = output.progress("demo cohort", subjects);
  try {
    await writePhantomCohort({
      out: unfinished,
      subjects,
      seed,
      onProgress: (done, file) => bar.update(done, file),
      signal,
    });
    if (!await exists(path)) await Deno.rename(unfinished, path); // another process may have been faster
    else await Deno.remove(unfinished, { recursive: true });
  } catch (error) {
    await Deno.remove(unfinished, { recursive: true }).catch(() => {});
    throw error;
  }
  bar.end();
  return path;
}
