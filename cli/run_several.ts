/**
 * Works on items in order, up to `jobs` of them at a time.
 *
 * @param work gets a signal that also fires when the work on another item has failed
 * @throws the first error, after the other items in work have ended; the signal's reason
 */
export async function runSeveral<T>(
  items: readonly T[],
  { jobs, signal }: { readonly jobs: number; readonly signal: AbortSignal },
  work: (item: T, index: number, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failure = new AbortController();
  const both = AbortSignal.any([signal, failure.signal]);
  const queue = items.entries();
  const workers = Array.from({ length: Math.min(jobs, items.length) }, async () => {
    for (const [index, item] of queue) {
      both.throwIfAborted();
      try {
        await work(item, index, both);
      } catch (error) {
        failure.abort(error);
        throw error;
      }
    }
  });
  await Promise.allSettled(workers);
  both.throwIfAborted();
}
