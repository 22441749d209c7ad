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
 * Waits until nobody else works on a folder, and keeps others out until disposed; the system ends the lock of a process that dies. On
 * file systems without locks it keeps nobody out.
 *
 * @throws {DataError} when the folder cannot be written
 * @throws the signal's reason
 */
export async function lockFolder(
  folder: string,
  { signal, onWait }: LockOptions = {},
): Promise<Disposable> {
  const path = `${folder}/${LOCK_FILE}`;
  const file = await Deno.open(path, { write: true, create: true }).catch((error) => {
    throw toDataError(error, path, "write");
  });
  try {
    for (let waited = false; !await tryLock(file); waited = true) {
      if (!waited) onWait?.();
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      signal?.throwIfAborted();
    }
  } catch (error) {
    file.close();
    throw error;
  }
  return { [Symbol.dispose]: () => file.close() };
}

/** Whether the lock is ours, or there is none to be had. */
async function tryLock(file: Deno.FsFile): Promise<boolean> {
  try {
    return await file.tryLock(true);
  } catch {
    return true; // not supported here
  }
}
