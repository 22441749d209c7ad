import { writeFileAtomic } from "../../atomic.ts";
import { DataError } from "../../errors.ts";
import { voxelArray } from "./decode.ts";
import { geometryAffine, geometryOfAffine } from "./geometry.ts";
import { NIFTI_DATATYPES, type NiftiDatatype, type NiftiGeometry } from "./header.ts";
import { type Volume, voxelCount } from "../../volume.ts";

/** How to store a volume. */
export interface WriteNiftiOptions {
  /** Stored voxel type; float32 when left out. */
  readonly dtype?: NiftiDatatype;
  /** stored = (value - intercept) / slope, rounded for integer types; 1 and 0 when left out. */
  readonly slope?: number;
  readonly intercept?: number;
  /** NIfTI version; that of the file the volume came from, or 1 (2 when an axis has more than 32767 voxels). */
  readonly version?: 1 | 2;
  /** At most 79 Latin-1 characters. */
  readonly description?: string;
}

/**
 * Writes a volume as .nii, or .nii.gz when the name ends in .gz, little-endian, atomically.
 *
 * A volume that still has the grid it was read with keeps its header geometry bit by bit: pixdim, qform, sform, codes and units.
 *
 * @throws {DataError} when a value does not fit the integer type or the file cannot be written
 */
export async function writeNifti(
  path: string,
  volume: Volume,
  options: WriteNiftiOptions = {},
): Promise<void> {
  const dtype = options.dtype ?? "float32";
  const large = volume.shape.some((size) => size > 32767);
  const version = large ? 2 : options.version ?? volume.nifti?.version ?? 1;
  const header = headerBytes(volume, storedGeometry(volume, version), dtype, options);
  const voxels = encodeVoxels(path, volume.data, dtype, options.slope ?? 1, options.intercept ?? 0);
  if (!path.endsWith(".gz")) return await writeFileAtomic(path, [header, voxels]);
  const { createGzip } = await import("node:zlib");
  const gzip = createGzip({ level: 4 });
  gzip.write(header);
  gzip.end(voxels);
  const pieces: Uint8Array[] = [];
  for await (const piece of gzip) pieces.push(piece as Uint8Array);
  await writeFileAtomic(path, pieces);
}

/** Geometry for a header: that of the file a volume came from while its grid is the same, otherwise that of its affine. */
export function storedGeometry(volume: Pick<Volume, "nifti" | "affine">, version: 1 | 2): NiftiGeometry {
  const { nifti } = volume;
  const unchanged = nifti && geometryAffine(nifti).every((value, i) => value === volume.affine[i]);
  return unchanged ? { ...nifti, version } : geometryOfAffine(volume.affine, version, nifti?.sformCode || 2);
}

function encodeVoxels(
  path: string,
  data: Float32Array,
  dtype: NiftiDatatype,
  slope: number,
  intercept: number,
): Uint8Array {
  const { bytes } = NIFTI_DATATYPES[dtype];
  const buffer = new ArrayBuffer(data.length * bytes);
  const stored = voxelArray(dtype, buffer, 0, data.length);
  const fraction = dtype === "float32" || dtype === "float64";
  const signed = dtype.startsWith("int");
  // For 8 bytes the largest float64 below the limit, which itself is not one.
  const highest = bytes === 8
    ? 2 ** (signed ? 63 : 64) * (1 - 2 ** -53)
    : 2 ** (8 * bytes - (signed ? 1 : 0)) - 1;
  const lowest = signed ? -(2 ** (8 * bytes - 1)) : 0;
  const big = stored instanceof BigInt64Array || stored instanceof BigUint64Array;
  for (let i = 0; i < data.length; i++) {
    const value = slope === 1 && intercept === 0 ? data[i] : (data[i] - intercept) / slope;
    const rounded = fraction ? value : Math.round(value);
    if (!fraction && !(rounded >= lowest && rounded <= highest)) {
      throw new DataError({
        file: path,
        action: "write",
        found: `value ${data[i]} at voxel ${i}`,
        wanted: `a number that fits ${dtype}`,
        remedy: "choose another type, or a slope and intercept",
      });
    }
    if (big) stored[i] = BigInt(rounded);
    else stored[i] = rounded;
  }
  return new Uint8Array(buffer);
}

/** Header with four zero bytes after it (no extension): 352 bytes for version 1, 544 for version 2. Layout: nifti1.h, nifti2.h. */
export function headerBytes(
  volume: Pick<Volume, "shape"> & { readonly data: ArrayLike<number> },
  geometry: NiftiGeometry,
  dtype: NiftiDatatype,
  options: WriteNiftiOptions,
): Uint8Array {
  const one = geometry.version === 1;
  const bytes = new Uint8Array(one ? 352 : 544);
  const view = new DataView(bytes.buffer);
  const real = (at: number, values: readonly number[]) =>
    values.forEach((
      value,
      i,
    ) => (one ? view.setFloat32(at + 4 * i, value, true) : view.setFloat64(at + 8 * i, value, true)));
  const code = (
    at: number,
    value: number,
  ) => (one ? view.setInt16(at, value, true) : view.setInt32(at, value, true));
  const [d, h, w] = volume.shape;
  const dim = [3, w, h, d, 1, 1, 1, 1];
  const { code: datatypeCode, bytes: voxelBytes } = NIFTI_DATATYPES[dtype];
  view.setInt32(0, one ? 348 : 540, true);
  bytes.set(new TextEncoder().encode(one ? "n+1\0" : "n+2\0\r\n\x1a\n"), one ? 344 : 4);
  dim.forEach((size, i) => {
    if (one) view.setInt16(40 + 2 * i, size, true);
    else view.setBigInt64(16 + 8 * i, BigInt(size), true);
  });
  view.setInt16(one ? 70 : 12, datatypeCode, true);
  view.setInt16(one ? 72 : 14, voxelBytes * 8, true);
  real(one ? 76 : 104, geometry.pixdim);
  if (one) view.setFloat32(108, 352, true);
  else view.setBigInt64(168, 544n, true);
  real(one ? 112 : 176, [options.slope ?? 1, options.intercept ?? 0]);
  if (one) view.setUint8(123, geometry.xyztUnits);
  else view.setInt32(500, geometry.xyztUnits, true);
  const description = Uint8Array.from(options.description ?? "", (letter) => letter.charCodeAt(0) & 255)
    .subarray(0, 79);
  bytes.set(description, one ? 148 : 240);
  code(one ? 252 : 344, geometry.qformCode);
  code(one ? 254 : 348, geometry.sformCode);
  real(one ? 256 : 352, geometry.quaternion);
  real(one ? 280 : 400, geometry.sform);
  if (voxelCount(volume.shape) !== volume.data.length) {
    throw new RangeError(
      `Cannot write a volume: shape ${volume.shape.join("x")} does not hold ${volume.data.length} voxels`,
    );
  }
  return bytes;
}
