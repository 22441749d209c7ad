/** Results as data: one JSON object a line, and the facts of the machine that every line carries. */
import { fromFileUrl } from "./paths.ts";

/** What limits an operation on a roofline. */
export type Bound = "flop" | "bytes";

/** One measured operation. A missing figure is null. */
export interface BenchRecord {
  readonly op: string;
  readonly shape: string;
  readonly adapter: string;
  readonly medianMs: number;
  readonly minMs: number;
  readonly gflops: number | null;
  /** Ideal traffic (every input read once, every output written once) over the median time. */
  readonly gbps: number | null;
  /** Least time that the measured peaks allow over the median time; null for the peaks themselves. */
  readonly shareOfPeak: number | null;
  readonly bound: Bound | null;
  /** Timed runs. */
  readonly runs: number;
  /** `gpu`: timestamps, `host`: submitted alone and waited for, `wall`: whole steps by the host's clock. */
  readonly clock: "gpu" | "host" | "wall";
  readonly runtime: string;
  readonly commit: string;
  /** Device memory of a step's plan, bytes; absent for single operations. */
  readonly peakBytes?: number;
}

/** The part of a record that is the same on every line. */
export type MachineFacts = Pick<BenchRecord, "adapter" | "runtime" | "commit">;

/** Adapter, runtime and commit (with `+` when files differ from it). */
export async function machineFacts(adapter: string): Promise<MachineFacts> {
  const commit = await git("rev-parse", "--short=10", "HEAD");
  const changed = await git("status", "--porcelain", "--untracked-files=no");
  return {
    adapter,
    runtime: `deno ${Deno.version.deno}`,
    commit: commit === null ? "unknown" : `${commit}${changed ? "+" : ""}`,
  };
}

async function git(...args: string[]): Promise<string | null> {
  try {
    const { success, stdout } = await new Deno.Command("git", {
      args,
      cwd: fromFileUrl(new URL("..", import.meta.url)),
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout).trim() : null;
  } catch {
    return null; // no git on this machine
  }
}

/** Middle value; the mean of the two middle ones when there is an even number. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Two columns of text and six of numbers. */
export const TABLE_HEADER = `${"operation".padEnd(34)} ${"shape".padEnd(34)} ${"median ms".padStart(10)} ${
  "min ms".padStart(10)
} ${"GFLOP/s".padStart(9)} ${"GB/s".padStart(7)} ${"of peak".padStart(8)}  bound`;

/** One line of the table. */
export function tableRow(record: BenchRecord): string {
  const number = (value: number | null, digits: number, width: number) =>
    (value === null ? "-" : value.toFixed(digits)).padStart(width);
  return [
    record.op.padEnd(34),
    record.shape.padEnd(34),
    number(record.medianMs, 3, 10),
    number(record.minMs, 3, 10),
    number(record.gflops, 2, 9),
    number(record.gbps, 2, 7),
    (record.shareOfPeak === null ? "-" : `${(record.shareOfPeak * 100).toFixed(1)} %`).padStart(8),
    ` ${record.bound ?? "-"}`,
  ].join(" ");
}
