import { filePieces, isGzip, readStart } from "./byte_pieces.ts";
import { DataError, toDataError } from "./errors.ts";
import { decodeVoxels } from "./nifti_decode.ts";
import { NIFTI_DATATYPES, NIFTI_HEADER_BYTES, type NiftiHeader, parseNiftiHeader } from "./nifti_header.ts";
import { makeVolume, type Volume, voxelCount } from "./volume.ts";

/** Limits of reading. */
export interface ReadNiftiOptions {
  /** Largest number of decompressed bytes a file may promise; 4 GiB when left out. */
  readonly maxBytes?: number;
}

/** A header with what is known about the file around it. */
export interface NiftiFileHeader extends NiftiHeader {
  readonly gzip: boolean;
  readonly fileBytes: number;
  /** Bytes of the decompressed file up to the last voxel. */
  readonly contentBytes: number;
}

const DEFAULT_MAX_BYTES = 2 ** 32;
/** Deflate cannot expand by more than about 1032 (RFC 1951: 258 bytes from two bits). */
const MAX_DEFLATE_RATIO = 1032;

/**
 * Reads and checks the header of a .nii or .nii.gz file, without its voxels; gzip is recognised by content, not by name.
 *
 * @throws {DataError} for anything but a readable 3-D scalar NIfTI image whose promised size fits the file and `maxBytes`
 */
export async function readNiftiHeader(
  path: string,
  options: ReadNiftiOptions = {},
): Promise<NiftiFileHeader> {
  const { start, fileBytes } = await readStart(path, NIFTI_HEADER_BYTES);
  if (fileBytes === 0) {
    throw new DataError({
      file: path,
      found: "an empty file",
      wanted: "a NIfTI image",
      remedy: "copy it again",
    });
  }
  const gzip = isGzip(start);
  const head = gzip ? await decompressStart(path) : start;
  const header = parseNiftiHeader(head, path);
  const contentBytes = header.voxelOffset + voxelCount(header.shape) * NIFTI_DATATYPES[header.datatype].bytes;
  const shape = [...header.shape].reverse().join("x");
  const promise = `a header that promises ${contentBytes} bytes (${shape} ${header.datatype})`;
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  const available = gzip ? fileBytes * MAX_DEFLATE_RATIO : fileBytes;
  if (contentBytes > available) {
    const limit = gzip
      ? `at most ${available} bytes, all that ${fileBytes} compressed bytes can hold`
      : `${fileBytes} bytes of file`;
    throw new DataError({
      file: path,
      found: promise,
      wanted: limit,
      remedy: "the file is truncated or damaged: copy it again",
    });
  }
  if (contentBytes > maxBytes) {
    const remedy = "downsample it, or raise maxBytes if the machine has the memory";
    throw new DataError({ file: path, found: promise, wanted: `at most ${maxBytes} bytes`, remedy });
  }
  return { ...header, gzip, fileBytes, contentBytes };
}

/**
 * Reads a NIfTI-1 or NIfTI-2 image (.nii, .nii.gz, either byte order, every real scalar type, slope and intercept applied) as float32.
 *
 * Memory is bounded by the size that the checked header promises, whatever the compressed stream would expand to.
 *
 * @throws {DataError} as `readNiftiHeader`, and when the voxels are truncated or the compressed stream is damaged
 */
export async function readNifti(path: string, options: ReadNiftiOptions = {}): Promise<Volume> {
  const header = await readNiftiHeader(path, options);
  const bytes = await readVoxelBytes(path, header);
  const { version, pixdim, qformCode, quaternion, sformCode, sform, xyztUnits } = header;
  const geometry = { version, pixdim, qformCode, quaternion, sformCode, sform, xyztUnits };
  return makeVolume(decodeVoxels(bytes, header), header.shape, header.affine, geometry);
}

async function decompressStart(path: string): Promise<Uint8Array> {
  const head = new Uint8Array(NIFTI_HEADER_BYTES);
  let length = 0;
  try {
    for await (const piece of filePieces(path, true)) {
      const part = piece.subarray(0, head.length - length);
      head.set(part, length);
      length += part.length;
      if (length === head.length) break;
    }
  } catch (error) {
    throw damaged(path, error);
  }
  return head.subarray(0, length);
}

/** Reads exactly the voxels, then one piece more so that the checksum at the end of a gzip stream is verified. */
async function readVoxelBytes(path: string, header: NiftiFileHeader): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = allocate(path, header.contentBytes - header.voxelOffset);
  let position = 0; // in the decompressed file
  try {
    for await (const piece of filePieces(path, header.gzip)) {
      if (position >= header.contentBytes) break;
      const from = Math.max(header.voxelOffset - position, 0);
      const until = Math.min(piece.length, header.contentBytes - position);
      if (until > from) bytes.set(piece.subarray(from, until), position + from - header.voxelOffset);
      position += piece.length;
    }
  } catch (error) {
    throw damaged(path, error);
  }
  if (position < header.contentBytes) {
    throw new DataError({
      file: path,
      found: `${position} bytes`,
      wanted: `${header.contentBytes} bytes`,
      remedy: "the file is truncated: copy it again",
    });
  }
  return bytes;
}

function allocate(path: string, bytes: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    const found = `voxels of ${bytes} bytes`;
    const remedy = "downsample the image or use a machine with more memory";
    throw new DataError({ file: path, found, wanted: "an image that fits in memory", remedy }, { cause });
  }
}

function damaged(path: string, error: unknown): DataError {
  const code = (error as { code?: string } | null)?.code;
  if (code === "Z_BUF_ERROR" || code === "Z_DATA_ERROR") {
    const found = code === "Z_BUF_ERROR"
      ? "a gzip stream that ends early"
      : `a damaged gzip stream (${(error as Error).message})`;
    return new DataError({ file: path, found, wanted: "a complete .nii.gz", remedy: "copy it again" }, {
      cause: error,
    });
  }
  return toDataError(error, path);
}
