/** Results of the comparison as data and as a table. */
import type { MachineFacts } from "../record.ts";
import { convFlop, type ConvShape, type Direction, shapeText } from "./conv_library.ts";
import { medianMs, type OpTiming } from "./compare_ops.ts";

/** One library, operation and shape. Figures are null for an operation that the library does not offer or gets wrong. */
export interface PeerRecord extends MachineFacts {
  readonly library: string;
  readonly version: string;
  readonly op: Direction;
  readonly shape: string;
  readonly medianMs: number | null;
  readonly minMs: number | null;
  /** Timed samples, and runs of each. */
  readonly samples: number;
  readonly runsPerSample: number;
  /** Its median time over ours: above 1 ours is faster. */
  readonly ratioToOurs: number | null;
  readonly gflops: number | null;
  /** Share of the adapter's multiply-add peak, measured in the same run. */
  readonly shareOfPeak: number | null;
  readonly peakGflops: number;
  /** Largest difference from our result, as a share of the largest value. */
  readonly difference: number | null;
  /** Why there are no figures. */
  readonly note: string | null;
}

/** What {@link peerRecord} describes. */
export interface PeerResult {
  readonly library: { readonly name: string; readonly version: string };
  readonly op: Direction;
  readonly shape: ConvShape;
  /** Null with a note when the operation is not offered. */
  readonly timing: OpTiming | null;
  readonly note?: string;
  readonly oursMs: number;
  readonly peakGflops: number;
  readonly machine: MachineFacts;
}

/** Rates, ratio and share of the peak. */
export function peerRecord(
  { library, op, shape, timing, note, oursMs, peakGflops, machine }: PeerResult,
): PeerRecord {
  const timed = timing !== null && timing.times.length > 0;
  const ms = timed ? medianMs(timing) : null;
  const gflops = ms === null ? null : convFlop(shape) / ms / 1e6;
  return {
    library: library.name,
    version: library.version,
    op,
    shape: shapeText(shape),
    medianMs: ms,
    minMs: timed ? Math.min(...timing.times) : null,
    samples: timing?.times.length ?? 0,
    runsPerSample: timing?.runsPerSample ?? 0,
    ratioToOurs: ms === null ? null : ms / oursMs,
    gflops,
    shareOfPeak: gflops === null ? null : gflops / peakGflops,
    peakGflops,
    difference: timing?.difference ?? null,
    note: timed ? null : note ?? wrongResult(timing?.difference),
    ...machine,
  };
}

function wrongResult(difference = 1): string {
  return `wrong result on this adapter: off by ${
    difference.toExponential(1)
  } of the largest value; not timed`;
}

/** Head of the table. */
export const PEER_HEADER = [
  "operation".padEnd(15),
  "shape".padEnd(20),
  "library".padEnd(18),
  "median ms".padStart(11),
  "of ours".padStart(9),
  "GFLOP/s".padStart(9),
  "of peak".padStart(8),
].join(" ");

/** One line of the table. */
export function peerRow(record: PeerRecord): string {
  const { medianMs, ratioToOurs, gflops, shareOfPeak } = record;
  const figures = medianMs === null || ratioToOurs === null || gflops === null ||
      shareOfPeak === null
    ? ` ${record.note ?? ""}`
    : [
      medianMs.toFixed(2).padStart(11),
      `${ratioToOurs.toFixed(2)} x`.padStart(9),
      gflops.toFixed(1).padStart(9),
      `${(shareOfPeak * 100).toFixed(1)} %`.padStart(8),
    ].join(" ");
  const library = `${record.library} ${record.version}`;
  return `${record.op.padEnd(15)} ${record.shape.padEnd(20)} ${library.padEnd(18)} ${figures}`;
}
