import { filePieces, inflateStart, isGzip, readStart } from "../byte_pieces.ts";
import { DataError, toDataError } from "../../errors.ts";
import { DEFAULT_MAX_BYTES, type ReadImageOptions } from "../image_header.ts";
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

/** Deflate cannot expand by more than about 1032 (RFC 1951: 258 bytes from two bits). */
const MAX_DEFLATE_RATIO = 1032;

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
  checkSize(path, { ...header, gzip, fileBytes, contentBytes }, options.maxBytes ?? DEFAULT_MAX_BYTES);
  return { ...header, gzip, fileBytes, contentBytes };
}

/** Bytes of one volume as stored. */
function volumeBytes({ shape, datatype }: NiftiHeader): number {
  return voxelCount(shape) * NIFTI_DATATYPES[datatype].bytes;
}

function checkSize(path: string, header: NiftiFileHeader, maxBytes: number): void {
  const { shape, volumes, datatype, gzip, fileBytes, contentBytes } = header;
  const sizes = [shape[2], shape[1], shape[0], ...(volumes > 1 ? [volumes] : [])].join("x");
  const promise = `a header that promises ${contentBytes} bytes (${sizes} ${datatype})`;
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
  const needed = Math.max(volumeBytes(header), 4 * voxelCount(shape));
  if (needed > maxBytes) {
    throw new DataError({
      file: path,
      found: `${promise}, ${needed} in memory`,
      wanted: `at most ${maxBytes} bytes`,
      remedy: "downsample it, or raise maxBytes if the machine has the memory",
    });
  }
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
  const { volumes, shape } = header;
  const { volume } = options;
  if (volume === undefined ? volumes > 1 : !(Number.isInteger(volume) && volume >= 0 && volume < volumes)) {
    const sizes = [shape[2], shape[1], shape[0], volumes].join("x");
    throw new DataError({
      file: path,
      found: `shape ${sizes}`,
      wanted: volume === undefined
        ? "a 3-D image (trailing sizes of 1 are fine)"
        : `a file with a volume ${volume} (the first is 0)`,
      remedy: volume === undefined ? "choose one of its volumes, or split it" : "choose another volume",
    });
  }
  const bytes = await readVoxelBytes(path, header, volume ?? 0);
  const { version, pixdim, qformCode, quaternion, sformCode, sform, xyztUnits } = header;
  const geometry = { version, pixdim, qformCode, quaternion, sformCode, sform, xyztUnits };
  return makeVolume(decodeVoxels(bytes, header), shape, header.affine, geometry);
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
