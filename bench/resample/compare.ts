import { median } from "../record.ts";
import type { ResampleAnswer } from "./job.ts";

/** Largest difference of the two results, as a share of the result's range, that still counts as the same. */
export const AGREEMENT = 1e-5;

/** What came out of one case. */
export interface ResampleComparison {
  readonly oursMedianMs: number;
  readonly peerMedianMs: number;
  /** Peer's median over ours: above 1 we are faster. */
  readonly ratio: number;
  readonly oursMs: readonly number[];
  readonly peerMs: readonly number[];
  /** Largest difference of compared voxels over the range of the peer's. */
  readonly difference: number;
}

/** Joins the answers of both sides to one case; only results of the last run are compared. @throws {Error} when the results differ in size */
export function compareAnswers(
  ours: readonly ResampleAnswer[],
  peer: readonly ResampleAnswer[],
): ResampleComparison {
  const [a, b] = [ours.at(-1)!.samples, peer.at(-1)!.samples];
  if (a.length !== b.length) {
    throw new Error(`Cannot compare results: found ${a.length} and ${b.length} voxels`);
  }
  let largest = 0, low = Infinity, high = -Infinity;
  b.forEach((value, i) => {
    largest = Math.max(largest, Math.abs(a[i] - value));
    low = Math.min(low, value);
    high = Math.max(high, value);
  });
  const [oursMs, peerMs] = [ours, peer].map((answers) => answers.map(({ ms }) => Number(ms.toFixed(1))));
  const [oursMedianMs, peerMedianMs] = [median(oursMs), median(peerMs)];
  return {
    oursMedianMs,
    peerMedianMs,
    ratio: Number((peerMedianMs / oursMedianMs).toFixed(2)),
    oursMs,
    peerMs,
    difference: largest / (high - low),
  };
}
