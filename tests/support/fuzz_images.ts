import assert from "node:assert/strict";
import { DataError } from "../../data/errors.ts";
import { readImage, readImageHeader } from "../../data/formats/mod.ts";
import { preprocessFile } from "../../data/preprocess.ts";
import { mutatedNifti } from "./mutate_nifti.ts";
import { withFolder } from "./nifti_bytes.ts";

/** What became of a corpus. */
export interface FuzzReport {
  readonly files: number;
  /** Files whose voxels were read, and of these, how many were preprocessed. */
  readonly read: number;
  readonly preprocessed: number;
  readonly slowestMs: number;
  /** Largest array that was asked for, in bytes. */
  readonly largestBytes: number;
  /** What was found in refused files, its numbers removed, and how often. */
  readonly reasons: ReadonlyMap<string, number>;
}

/** Limit that the corpus is read with. */
export const FUZZ_MAX_BYTES = 1 << 20;
/** Beside the image: pieces of 256 KiB and what zlib makes of the first 4 KiB of a file, at most 1032 times as much. */
const READER_BYTES = 1032 * 4096;
const SLOWEST_MS = 5000;

/**
 * Reads and preprocesses mutated files of a seed.
 *
 * @throws {AssertionError} when a file takes more than five seconds, makes an array larger than the limit, or fails with anything but a
 * one-line `DataError` that names it
 */
export function fuzzImages(seed: number, count: number): Promise<FuzzReport> {
  return withFolder(async (folder) => {
    let read = 0, preprocessed = 0, slowestMs = 0, largestBytes = 0;
    const reasons = new Map<string, number>();
    for (let index = 0; index < count; index++) {
      const { name, bytes, story } = mutatedNifti(seed, index);
      const path = `${folder}/${name}`;
      await Deno.writeFile(path, bytes);
      using arrays = watchArrays();
      const started = performance.now();
      const outcome = await useFile(path).catch((error) => {
        assert.ok(error instanceof DataError, `file ${story}: ${(error as Error).stack}`);
        const { message } = error;
        assert.ok(message.startsWith(`Cannot read ${path}: found `) && !message.includes("\n"), message);
        const kind = error.found.replace(/^magic .*|\(first bytes .*\)/, (text) => text.split(" ")[0])
          .replace(/-?\d[\d.e+x-]*|NaN|-?Infinity/g, "#");
        reasons.set(kind, (reasons.get(kind) ?? 0) + 1);
        return (error as DataError & { read?: boolean }).read ? "read" : "refused";
      });
      const ms = performance.now() - started;
      assert.ok(ms < SLOWEST_MS, `file ${story}: ${ms.toFixed(0)} ms`);
      assert.ok(
        arrays.largestBytes <= Math.max(FUZZ_MAX_BYTES, READER_BYTES),
        `file ${story}: an array of ${arrays.largestBytes} bytes`,
      );
      slowestMs = Math.max(slowestMs, ms);
      largestBytes = Math.max(largestBytes, arrays.largestBytes);
      if (outcome !== "refused") read++;
      if (outcome === "preprocessed") preprocessed++;
    }
    return { files: count, read, preprocessed, slowestMs, largestBytes, reasons };
  });
}

/** Header, voxels, preprocessing; a refusal after the voxels were read is marked. */
async function useFile(path: string): Promise<"read" | "preprocessed"> {
  const limit = { maxBytes: FUZZ_MAX_BYTES };
  const { volumes, shape } = await readImageHeader(path, limit);
  const { data } = await readImage(path, { ...limit, volume: volumes - 1 });
  assert.equal(data.length, shape[0] * shape[1] * shape[2]);
  if (volumes > 1) return "read";
  try {
    await preprocessFile(path, limit);
    return "preprocessed";
  } catch (error) {
    throw error instanceof DataError ? Object.assign(error, { read: true }) : error;
  }
}

/** Records the largest typed array or buffer that is made with `new` until it is disposed. */
function watchArrays(): { readonly largestBytes: number } & Disposable {
  const names = [
    "ArrayBuffer",
    "Uint8Array",
    "Int16Array",
    "Int32Array",
    "Float32Array",
    "Float64Array",
  ] as const;
  const originals = names.map((name) => [name, globalThis[name]] as const);
  let largestBytes = 0;
  for (const [name, original] of originals) {
    const bytes = "BYTES_PER_ELEMENT" in original ? original.BYTES_PER_ELEMENT : 1;
    const watched: typeof original = new Proxy(original, {
      construct(target, args: unknown[], newTarget): object {
        if (typeof args[0] === "number") largestBytes = Math.max(largestBytes, args[0] * bytes);
        return Reflect.construct(target, args, newTarget === watched ? target : newTarget);
      },
    });
    Object.defineProperty(globalThis, name, { value: watched, configurable: true, writable: true });
  }
  return {
    get largestBytes() {
      return largestBytes;
    },
    [Symbol.dispose]() {
      for (const [name, value] of originals) {
        Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
      }
    },
  };
}

/** One line a figure, and the reasons from the most frequent on. */
export function formatFuzzReport(report: FuzzReport): string {
  const { files, read, preprocessed, slowestMs, largestBytes, reasons } = report;
  const list = [...reasons].sort((a, b) => b[1] - a[1]).map(([reason, times]) => `  ${times} x ${reason}`);
  return [
    `${files} files: ${preprocessed} preprocessed, ${read - preprocessed} read but not preprocessed, ${
      files - read
    } refused`,
    `slowest ${slowestMs.toFixed(0)} ms, largest array ${largestBytes} bytes`,
    ...list,
  ].join("\n");
}
