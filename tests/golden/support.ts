import { decodeSafetensors, type SafetensorsTensor } from "../../data/safetensors.ts";
import type { EncoderLayout } from "../../model/masking.ts";
import type { Checker } from "./checker.ts";
import { type GoldenCase, type Manifest, parseManifest, type TensorRef } from "./manifest.ts";

export { Checker, type Miss } from "./checker.ts";
export { type GoldenCase, goldenNumber, type Manifest, type TensorRef, type Tolerance } from "./manifest.ts";

/** A recorded tensor, C order (last axis fastest). */
export interface GoldenTensor {
  readonly data: Float32Array | BigInt64Array | Uint8Array;
  readonly shape: number[];
}

/** An open folder of recorded inputs and outputs. */
export interface GoldenGroup {
  readonly dir: string;
  readonly name: string;
  readonly manifest: Manifest;
  /** Reads one tensor. @throws {Error} naming file and key when it is absent or has another type or shape */
  tensor(ref: TensorRef): GoldenTensor;
}

/** Shape of a group module: compares every case of the group. */
export interface GoldenModule {
  /** Layouts of the sparse encoder that the group is compared in, one after another; without, it has no such encoder. */
  readonly layouts?: readonly EncoderLayout[];
  /** Whether a case has something to compare in a layout; without, every case has. */
  readonly inLayout?: (c: GoldenCase, layout: EncoderLayout) => boolean;
  run(group: GoldenGroup, check: Checker, layout: EncoderLayout): Promise<void>;
}

/** Opens a group folder (manifest.json beside *.safetensors); files are read when first needed. */
export function openGroup(dir: string): GoldenGroup {
  const name = dir.replace(/\/+$/, "").split("/").at(-1)!;
  const manifest = parseManifest(Deno.readTextFileSync(`${dir}/manifest.json`), name);
  const files = new Map<string, ReadonlyMap<string, SafetensorsTensor>>();
  const tensor = (ref: TensorRef): GoldenTensor => {
    const path = `${dir}/${ref.file}`;
    if (!files.has(path)) files.set(path, decodeSafetensors(Deno.readFileSync(path), path).tensors);
    const entry = files.get(path)!.get(ref.key);
    if (!entry) throw new Error(`${name}/${ref.file}: no tensor ${ref.key}`);
    const { dtype, shape, data } = entry;
    if (ref.dtype !== undefined && (dtype !== ref.dtype || String(shape) !== String(ref.shape))) {
      throw new Error(
        `${name}/${ref.file}: ${ref.key} is ${dtype} [${shape}], the manifest says ${ref.dtype} [${ref.shape}]`,
      );
    }
    if (data instanceof Float32Array || data instanceof BigInt64Array || data instanceof Uint8Array) {
      return { data: data.slice(), shape: [...shape] };
    }
    throw new Error(`${name}/${ref.file}: ${ref.key} is ${dtype}, wanted F32, I64 or U8`);
  };
  return { dir, name, manifest, tensor };
}

/**
 * Generated input of a recorded case: uniform-looking float32 values in [-1, 1), element i in C order from a 32-bit hash of i and seed.
 * Formula: `hash_fill` in the notes of the recorded groups.
 */
export function hashFill(shape: readonly number[], seed: number): Float32Array {
  return Float32Array.from(hashFill64(shape, seed));
}

/** `hashFill` before rounding to float32. */
export function hashFill64(shape: readonly number[], seed: number): Float64Array {
  const values = new Float64Array(shape.reduce((product, size) => product * size, 1));
  for (let i = 0; i < values.length; i++) {
    let h = (Math.imul(i, 0x9e3779b1) + seed) | 0;
    h ^= h >>> 16;
    h = Math.imul(h, 0x85ebca6b);
    h ^= h >>> 13;
    h = Math.imul(h, 0xc2b2ae35);
    h ^= h >>> 16;
    values[i] = (h >>> 0) / 4294967296 * 2 - 1;
  }
  return values;
}

/** Folder of recorded values: `GOLDEN_DIR`, otherwise ../shared/golden beside the repository; null when absent. */
export function goldenDir(): string | null {
  const path = Deno.env.get("GOLDEN_DIR") ?? new URL("../../../shared/golden", import.meta.url).pathname;
  try {
    return Deno.statSync(path).isDirectory ? path : null;
  } catch {
    return null;
  }
}
