import { toDataError } from "./errors.ts";

/** Name of the file whose lock stands for the folder's; it is empty and stays. */
const LOCK_FILE = ".lock";
const POLL_MS = 200;

/** How {@linkcode lockFolder} waits. */
export interface LockOptions {
  /** Ends the wait with its reason. */
  readonly signal?: AbortSignal;
  /** Called once when somebody else has the lock. */
  readonly onWait?: () => void;
}

/**
 * Keeps others out of a folder until disposed; the system ends the lock of a process that dies. On file systems without locks it keeps
 * nobody out.
 *
 * @returns null when somebody else has the lock
 * @throws {DataError} when the folder cannot be written
 */
export async function tryLockFolder(folder: string): Promise<Disposable | null> {
  const path = `${folder}/${LOCK_FILE}`;
  const file = await Deno.open(path, { write: true, create: true }).catch((error) => {
    throw toDataError(error, path, "write");
  });
  const held = await file.tryLock(true).catch(() => true); // not supported here
  if (held) return { [Symbol.dispose]: () => file.close() };
  file.close();
  return null;
}

/**
 * Waits until nobody else works on a folder, and then keeps others out as {@linkcode tryLockFolder} does.
 *
 * @throws {DataError} when the folder cannot be written
 * @throws the signal's reason
 */
export async function lockFolder(
  folder: string,
  { signal, onWait }: LockOptions = {},
): Promise<Disposable> {
  for (let waited = false;; waited = true) {
    const lock = await tryLockFolder(folder);
    if (lock !== null) return lock;
    if (!waited) onWait?.();
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    signal?.throwIfAborted();
  }
}
