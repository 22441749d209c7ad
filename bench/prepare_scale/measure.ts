/** Time and peak memory of one step, as a JSON line. */

/** One measured step. */
export interface StepRecord {
  readonly entries: number;
  readonly step: string;
  readonly seconds: number;
  /** Largest resident memory of the process during the step; null where the system does not tell. */
  readonly peakMiB: number | null;
}

/** Runs a step and prints its line on stdout. @returns what the step returned */
export async function measureStep<T>(entries: number, step: string, run: () => Promise<T>): Promise<T> {
  resetPeak();
  const started = performance.now();
  const result = await run();
  const seconds = Number(((performance.now() - started) / 1000).toFixed(3));
  console.log(JSON.stringify({ entries, step, seconds, peakMiB: peakMiB() } satisfies StepRecord));
  return result;
}

/** Linux counts the peak anew after this; elsewhere it stays that of the process. */
function resetPeak(): void {
  try {
    Deno.writeTextFileSync("/proc/self/clear_refs", "5");
  } catch {
    // not Linux, or not allowed
  }
}

function peakMiB(): number | null {
  try {
    const kib = Deno.readTextFileSync("/proc/self/status").match(/^VmHWM:\s+(\d+) kB/m);
    return kib ? Math.round(Number(kib[1]) / 1024) : null;
  } catch {
    return null;
  }
}
