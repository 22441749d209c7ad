/** Steps of both sides as rows of one table. */
import type { BenchRecord } from "../record.ts";

/** What step.py prints with `--json`; the keys that the table needs. */
export interface TorchResult {
  readonly version: string;
  readonly device: string;
  readonly precision: string;
  readonly medianMs: number;
  readonly minMs: number;
  readonly forwardMs: number;
  readonly peakBytes: number;
  readonly gmacStep: number;
  readonly gflops: number;
  readonly peakGflops: number;
  readonly shareOfPeak: number;
  readonly kernels: readonly { readonly kernel: string; readonly ms: number; readonly calls: number }[];
}

/** A kernel or operation of a step, and what bounds it where that is known. */
export interface LongKernel {
  readonly name: string;
  readonly ms: number;
  readonly bound: string | null;
  readonly shareOfPeak: number | null;
}

/** One way to compute the step. Figures are null when it did not run; `note` says why. */
export interface BesideRow {
  readonly library: string;
  readonly variant: string;
  readonly medianMs: number | null;
  readonly minMs: number | null;
  readonly peakBytes: number | null;
  /** Multiply-adds that were really computed, thousand millions a step. */
  readonly gmac: number | null;
  readonly shareOfPeak: number | null;
  readonly kernels: readonly LongKernel[];
  readonly note: string | null;
}

/** Kernels listed of each row. */
const LISTED = 5;

/** A row without figures. */
export function failedRow(library: string, variant: string, note: string): BesideRow {
  return {
    library,
    variant,
    medianMs: null,
    minMs: null,
    peakBytes: null,
    gmac: null,
    shareOfPeak: null,
    kernels: [],
    note,
  };
}

/** Our row from the records of `spark3d bench --step`. @throws {Error} when they hold no step */
export function ourRow(variant: string, records: readonly BenchRecord[]): BesideRow {
  const step = records.find((record) => record.op === "step");
  if (!step) throw new Error(`Cannot read the step of ${variant}: the benchmark printed no record of it`);
  const parts = records.filter((record) => record.op.startsWith("step/"))
    .sort((a, b) => b.medianMs - a.medianMs);
  return {
    library: `spark3d ${step.commit}`,
    variant,
    medianMs: step.medianMs,
    minMs: step.minMs,
    peakBytes: step.peakBytes ?? null,
    gmac: step.gflops === null ? null : step.gflops * step.medianMs / 2e3,
    shareOfPeak: step.shareOfPeak,
    kernels: parts.slice(0, LISTED).map(({ op, medianMs, bound, shareOfPeak }) => ({
      name: op.slice("step/".length),
      ms: medianMs,
      bound,
      shareOfPeak,
    })),
    note: null,
  };
}

/** PyTorch's row. */
export function torchRow(variant: string, result: TorchResult): BesideRow {
  const { version, medianMs, minMs, peakBytes, gmacStep, shareOfPeak, kernels } = result;
  return {
    library: `PyTorch ${version}`,
    variant,
    medianMs,
    minMs,
    peakBytes,
    gmac: gmacStep,
    shareOfPeak,
    kernels: kernels.slice(0, LISTED).map(({ kernel, ms }) => ({
      name: kernel,
      ms,
      bound: null,
      shareOfPeak: null,
    })),
    note: null,
  };
}

/** The table as Markdown, then the longest kernels of each row. The first row that ran is the measure of speed. */
export function formatBeside(rows: readonly BesideRow[]): string {
  const reference = rows.find((row) => row.library.startsWith("PyTorch") && row.medianMs !== null)?.medianMs;
  const figure = (value: number | null | undefined, digits: number, unit = "") =>
    value === null || value === undefined ? "-" : `${value.toFixed(digits)}${unit}`;
  const lines = [
    "| library | variant | step ms | least ms | speed | memory GiB | GMAC computed | of its peak |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ...rows.map((row) => {
      const speed = row.medianMs === null || reference === undefined || reference === null
        ? null
        : reference / row.medianMs;
      const cells = row.note === null
        ? [
          figure(row.medianMs, 1),
          figure(row.minMs, 1),
          figure(speed, 2, " x"),
          figure(row.peakBytes === null ? null : row.peakBytes / 2 ** 30, 2),
          figure(row.gmac, 1),
          figure(row.shareOfPeak === null ? null : row.shareOfPeak * 100, 1, " %"),
        ]
        : [row.note, "-", "-", "-", "-", "-"];
      return `| ${[row.library, row.variant, ...cells].join(" | ")} |`;
    }),
  ];
  for (const { library, variant, kernels } of rows) {
    if (kernels.length === 0) continue;
    lines.push("", `${library}, ${variant}:`);
    for (const { name, ms, bound, shareOfPeak } of kernels) {
      const limit = bound === null
        ? ""
        : `  bound by ${bound}, ${figure((shareOfPeak ?? 0) * 100, 1)} % of that peak`;
      lines.push(`${ms.toFixed(2).padStart(11)} ms  ${name}${limit}`);
    }
  }
  return lines.join("\n");
}
