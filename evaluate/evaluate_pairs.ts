import { DataError } from "../data/errors.ts";
import { evaluatePair, type PairSettings } from "./evaluate_pair.ts";
import type { PairReply, PairRequest } from "./evaluate_worker.ts";
import type { FilePair } from "./match_files.ts";
import type { EvaluatedCase } from "./types.ts";

/** How to work on pairs. */
export interface EvaluatePairsOptions {
  /** Threads; 0 works on the calling thread. */
  readonly workers: number;
  readonly onProgress?: (done: number, total: number, id: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Evaluates pairs of files, several at a time. The result does not depend on the number of threads.
 *
 * @throws {DataError} of the first pair that cannot be evaluated; the signal's reason
 */
export async function evaluatePairs(
  pairs: readonly FilePair[],
  settings: PairSettings,
  options: EvaluatePairsOptions,
): Promise<EvaluatedCase[]> {
  const { onProgress, signal } = options;
  const results = new Array<EvaluatedCase>(pairs.length);
  let next = 0, done = 0, failed = false;
  const run = async (evaluate: (pair: FilePair) => Promise<EvaluatedCase>) => {
    while (next < pairs.length && !failed) {
      signal?.throwIfAborted();
      const index = next++;
      try {
        results[index] = await evaluate(pairs[index]);
      } catch (error) {
        failed = true;
        throw error;
      }
      onProgress?.(++done, pairs.length, pairs[index].id);
    }
  };
  const threads = Math.min(options.workers, pairs.length);
  if (threads === 0) {
    await run((pair) => evaluatePair(pair, settings));
    return results;
  }
  const workers = Array.from({ length: threads }, () => new PairWorker(settings));
  try {
    const ends = await Promise.allSettled(workers.map((worker) => run((pair) => worker.evaluate(pair))));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  } finally {
    for (const worker of workers) worker.close();
  }
  return results;
}

/** A thread that evaluates one pair at a time. */
class PairWorker {
  readonly #worker = new Worker(new URL("./evaluate_worker.ts", import.meta.url), { type: "module" });

  constructor(settings: PairSettings) {
    this.#post({ type: "open", settings });
  }

  evaluate(pair: FilePair): Promise<EvaluatedCase> {
    const { promise, resolve, reject } = Promise.withResolvers<EvaluatedCase>();
    this.#worker.onmessage = ({ data }: MessageEvent<PairReply>) => {
      if (data.type === "evaluated") resolve(data.result);
      else if (data.fields) reject(new DataError(data.fields));
      else reject(new Error(`Cannot evaluate ${pair.prediction}: a fault of this program: ${data.message}`));
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`Cannot evaluate ${pair.prediction}: a worker failed: ${event.message}`));
    };
    this.#post({ type: "pair", pair });
    return promise;
  }

  close(): void {
    this.#worker.terminate();
  }

  #post(request: PairRequest): void {
    this.#worker.postMessage(request);
  }
}
