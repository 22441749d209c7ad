import { temporaryName } from "../../atomic.ts";
import { builtin } from "../../builtin.ts";
import { toDataError } from "../../errors.ts";
import type { Volume } from "../../volume.ts";
import { headerBytes, storedGeometry } from "./write_nifti.ts";

/** Bytes handed to the compressor at once. */
const PIECE = 4 * 2 ** 20;

/**
 * Writes labels as .nii, or .nii.gz when the name ends in .gz, in 8 or 16 bits without sign, atomically.
 *
 * The compressed file is written as it comes: beside the labels themselves no more than a few pieces are in memory.
 *
 * @param labels `[D, H, W]` in the order of `grid`
 * @param grid geometry of the file; that of a NIfTI file is kept bit by bit
 * @throws {DataError} when the file cannot be written
 */
export async function writeLabelMap(
  path: string,
  labels: Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>,
  grid: Pick<Volume, "shape" | "affine" | "nifti">,
): Promise<void> {
  const large = grid.shape.some((size) => size > 32767);
  const geometry = storedGeometry(grid, large ? 2 : grid.nifti?.version ?? 1);
  const dtype = labels instanceof Uint8Array ? "uint8" : "uint16";
  const header = headerBytes({ shape: grid.shape, data: labels }, geometry, dtype, {});
  const voxels = new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength);
  const temporary = temporaryName(path);
  try {
    using file = await Deno.open(temporary, { write: true, createNew: true });
    for await (const piece of path.endsWith(".gz") ? compressed(header, voxels) : [header, voxels]) {
      for (let at = 0; at < piece.length;) at += await file.write(piece.subarray(at, at + (1 << 26)));
    }
    await file.sync();
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw toDataError(error, path, "write");
  }
}

/** The bytes of a gzip file, in pieces. */
async function* compressed(header: Uint8Array, voxels: Uint8Array): AsyncGenerator<Uint8Array> {
  const gzip = builtin("node:zlib").createGzip({ level: 4 });
  const feed = async () => {
    gzip.write(header);
    for (let at = 0; at < voxels.length; at += PIECE) {
      if (!gzip.write(voxels.subarray(at, at + PIECE))) {
        await new Promise<void>((resolve) => gzip.once("drain", () => resolve()));
      }
    }
    gzip.end();
  };
  const fed = feed();
  for await (const piece of gzip) yield piece as Uint8Array;
  await fed;
}
