import { filePieces, inflateStart, isGzip, readStart } from "../byte_pieces.ts";
import { DataError, toDataError } from "../../errors.ts";
import { checkSize, checkVolumeChoice } from "../check_size.ts";
import type { ReadImageOptions } from "../image_header.ts";
import { decodeVoxels } from "./decode.ts";
import { NIFTI_DATATYPES, NIFTI_HEADER_BYTES, type NiftiHeader, parseNiftiHeader } from "./header.ts";
import { makeVolume, type Volume, voxelCount } from "../../volume.ts";

/** A header with what is known about the file around it. */
export interface NiftiFileHeader extends NiftiHeader {
  readonly gzip: boolean;
  readonly fileBytes: number;
  /** Bytes of the decompressed file up to the last voxel. */
  readonly contentBytes: number;
}

/** First bytes of a file to look at: enough for the header in any .nii.gz but those with a long comment. */
const START_BYTES = 4096;

/**
 * Reads and checks the header of a .nii or .nii.gz file, without its voxels; gzip is recognised by content, not by name.
 *
 * @throws {DataError} for anything but a readable 3-D or 4-D scalar NIfTI image whose promised size fits the file, and one volume of it
 * `maxBytes`
 */
export async function readNiftiHeader(
  path: string,
  options: ReadImageOptions = {},
): Promise<NiftiFileHeader> {
  const { start, fileBytes } = readStart(path, START_BYTES);
  if (fileBytes === 0) {
    throw new DataError({
      file: path,
      found: "an empty file",
      wanted: "a NIfTI image",
      remedy: "copy it again",
    });
  }
  const gzip = isGzip(start);
  const head = gzip
    ? await inflateStart(path, start, NIFTI_HEADER_BYTES).catch((error) => {
      throw damaged(path, error);
    })
    : start;
  const header = parseNiftiHeader(head, path);
  const contentBytes = header.voxelOffset + header.volumes * volumeBytes(header);
  const voxelBytes = NIFTI_DATATYPES[header.datatype].bytes;
  const packing = gzip ? "deflate" : "none";
  checkSize(path, { ...header, voxelBytes, fileBytes, contentBytes, packing }, options.maxBytes);
  return { ...header, gzip, fileBytes, contentBytes };
}

/** Bytes of one volume as stored. */
function volumeBytes({ shape, datatype }: NiftiHeader): number {
  return voxelCount(shape) * NIFTI_DATATYPES[datatype].bytes;
}

/**
 * Reads a NIfTI-1 or NIfTI-2 image (.nii, .nii.gz, either byte order, every real scalar type, slope and intercept applied) as float32.
 *
 * Memory is bounded by the size of one volume that the checked header promises, whatever the compressed stream would expand to.
 *
 * @throws {DataError} as `readNiftiHeader`, for a 4-D file without `volume`, and when the voxels are truncated or the stream is damaged
 */
export async function readNifti(path: string, options: ReadImageOptions = {}): Promise<Volume> {
  const header = await readNiftiHeader(path, options);
  const bytes = await readVoxelBytes(path, header, checkVolumeChoice(path, header, options.volume));
  const { version, pixdim, qformCode, quaternion, sformCode, sform, xyztUnits } = header;
  const geometry = { version, pixdim, qformCode, quaternion, sformCode, sform, xyztUnits };
  return makeVolume(decodeVoxels(bytes, header), header.shape, header.affine, geometry);
}

/** Reads exactly the voxels of one volume; after the last one also the checksum at the end of a gzip stream, which zlib verifies. */
async function readVoxelBytes(
  path: string,
  header: NiftiFileHeader,
  volume: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = allocate(path, volumeBytes(header));
  const start = header.voxelOffset + volume * bytes.length;
  const last = start + bytes.length === header.contentBytes;
  let length = 0;
  try {
    for await (const piece of filePieces(path, header.gzip, start)) {
      if (length === bytes.length) break;
      const part = piece.subarray(0, bytes.length - length);
      bytes.set(part, length);
      length += part.length;
      if (length === bytes.length && !last) break;
    }
  } catch (error) {
    throw damaged(path, error);
  }
  if (length < bytes.length) {
    throw new DataError({
      file: path,
      found: `${length > 0 ? "" : "at most "}${start + length} bytes`,
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
