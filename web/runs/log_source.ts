import { statfsSync } from "node:fs";
import { RunLog, RunLogError } from "../../train/run_log.ts";

/** Kinds of network file systems (statfs), on which the shared memory of SQLite's WAL does not reach other machines. */
const NETWORK_FILE_SYSTEMS = new Set([
  0x6969, // NFS
  0x517b, // SMB
  0xff534d42, // CIFS
  0xfe534d42, // SMB2
  0x65735546, // FUSE, such as sshfs
  0x0bd00bd0, // Lustre
  0x47504653, // GPFS
  0x00c36400, // Ceph
  0x01021997, // 9p
  0x19830326, // BeeGFS
]);

/** Shortest time between two copies of a log. */
const COPY_EVERY_MS = 3000;

/**
 * The log of a run that somebody else may be writing, opened in the way that its folder allows: a log without a write-ahead file as it
 * is, making no file beside it; one that is being written together with its writer; and where that cannot work, on another machine's
 * disk or in a folder without the right to write, as a copy that is renewed when the log has changed.
 */
export class LogSource implements Disposable {
  readonly #path: string;
  #log: RunLog | null = null;
  #key = "";
  #copies: boolean;
  #copyFolder: string | null = null;
  #copied = 0;

  /** @param path of run.sqlite @param copies read copies only; default where the folder is on a network file system */
  constructor(path: string, copies = isOnNetwork(path)) {
    this.#path = path;
    this.#copies = copies;
  }

  /** The log as it is now; null while there is none. @throws {RunLogError} when it is damaged or cannot be read */
  current(): RunLog | null {
    const main = stat(this.#path), wal = stat(`${this.#path}-wal`);
    if (main === null || main.size === 0) {
      this.close();
      return null;
    }
    const written = wal !== null && wal.size > 0;
    const key = !written
      ? `still ${signature(main)}`
      : this.#copies
      ? `copy ${signature(main)} ${signature(wal)}`
      : `live ${main.dev} ${main.ino}`;
    if (this.#log !== null && key === this.#key) return this.#log;
    if (this.#log !== null && this.#copies && written && Date.now() - this.#copied < COPY_EVERY_MS) {
      return this.#log;
    }
    this.close();
    try {
      this.#log = written && this.#copies
        ? RunLog.open(this.#copy(), { readOnly: true })
        : RunLog.open(this.#path, written ? { readOnly: true } : { immutable: true });
    } catch (error) {
      if (!written || this.#copies) throw error;
      this.#copies = true;
      return this.current();
    }
    this.#key = key;
    return this.#log;
  }

  /** Closes the log and removes the copy. */
  close(): void {
    this.#log?.close();
    this.#log = null;
    const copy = this.#copyFolder;
    this.#copyFolder = null;
    try {
      if (copy !== null) Deno.removeSync(copy, { recursive: true });
    } catch {
      // somebody tidied up the temporary files
    }
  }

  /** Same as `close`, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Copies log and write-ahead file as they were at one moment: the log must not change meanwhile; the other file only grows. */
  #copy(): string {
    this.#copied = Date.now();
    this.#copyFolder = Deno.makeTempDirSync({ prefix: "spark3d_log_" });
    const path = `${this.#copyFolder}/run.sqlite`;
    for (let attempt = 0; attempt < 5; attempt++) {
      const before = stat(this.#path);
      try {
        Deno.copyFileSync(this.#path, path);
        Deno.copyFileSync(`${this.#path}-wal`, `${path}-wal`);
      } catch (cause) {
        throw new RunLogError(
          `Cannot copy run log ${this.#path}: ${
            (cause as Error).message
          }, wanted a readable file and room for its copy: ` +
            "check permissions and the space for temporary files",
          this.#path,
          { cause },
        );
      }
      const after = stat(this.#path);
      if (before && after && signature(before) === signature(after)) return path;
    }
    throw new RunLogError(
      `Cannot copy run log ${this.#path}: it changed during each of 5 copies, wanted a quiet moment: try again`,
      this.#path,
    );
  }
}

/** What changes whenever a file is written or replaced. */
export function signature(file: Deno.FileInfo): string {
  return `${file.dev} ${file.ino} ${file.size} ${file.mtime?.getTime()}`;
}

/** Facts of a file, null when it is not there. */
export function stat(path: string): Deno.FileInfo | null {
  try {
    return Deno.statSync(path);
  } catch {
    return null;
  }
}

function isOnNetwork(path: string): boolean {
  try {
    return NETWORK_FILE_SYSTEMS.has(Number(statfsSync(path.slice(0, path.lastIndexOf("/"))).type) >>> 0);
  } catch {
    return false; // the folder is gone, or the system does not tell
  }
}
