import { DataError } from "../../errors.ts";
import type { ScalarType } from "../scalar_types.ts";
import { geometryAffine } from "./geometry.ts";
import { type Affine, affineDeterminant, columnNorms, type Dims3 } from "../../volume.ts";

/** Scalar voxel types of NIfTI that can be read and written. */
export type NiftiDatatype = ScalarType;

/** NIfTI code and bytes of every scalar voxel type (nifti1.h, DT_*). */
export const NIFTI_DATATYPES: Readonly<
  Record<NiftiDatatype, { readonly code: number; readonly bytes: number }>
> = {
  uint8: { code: 2, bytes: 1 },
  int8: { code: 256, bytes: 1 },
  uint16: { code: 512, bytes: 2 },
  int16: { code: 4, bytes: 2 },
  uint32: { code: 768, bytes: 4 },
  int32: { code: 8, bytes: 4 },
  uint64: { code: 1280, bytes: 8 },
  int64: { code: 1024, bytes: 8 },
  float32: { code: 16, bytes: 4 },
  float64: { code: 64, bytes: 8 },
};

const OTHER_DATATYPES: Readonly<Record<number, string>> = {
  0: "unknown type",
  1: "binary voxels",
  32: "complex64 voxels",
  128: "RGB24 voxels",
  1536: "float128 voxels",
  1792: "complex128 voxels",
  2048: "complex256 voxels",
  2304: "RGBA32 voxels",
};

/** Header fields that place a grid in the world, exactly as stored, so that writing gives them back bit by bit. */
export interface NiftiGeometry {
  readonly version: 1 | 2;
  /** pixdim[0..7]; [0] is the handedness of the quaternion form, [1..3] are x, y, z steps in the file's unit. */
  readonly pixdim: readonly number[];
  readonly qformCode: number;
  /** quatern_b, quatern_c, quatern_d, qoffset_x, qoffset_y, qoffset_z. */
  readonly quaternion: readonly number[];
  readonly sformCode: number;
  /** srow_x, srow_y, srow_z: 12 numbers, row-major. */
  readonly sform: readonly number[];
  /** Units of space (low three bits: 1 m, 2 mm, 3 um) and time. */
  readonly xyztUnits: number;
}

/** Intents of several numbers a voxel, kept along the dimensions after the third (nifti1.h, NIFTI_INTENT_*). */
const VECTOR_INTENTS: Readonly<Record<number, string>> = {
  1004: "matrix",
  1005: "symmetric matrix",
  1006: "displacement vector",
  1007: "vector",
  1008: "point set",
  1009: "triangle",
  1010: "quaternion",
  2003: "RGB vector",
  2004: "RGBA vector",
};

/** A checked header: one or more three-dimensional scalar images on one grid with positive spacing. */
export interface NiftiHeader extends NiftiGeometry {
  readonly littleEndian: boolean;
  /** `[D, H, W]`: dim[3], dim[2], dim[1]. */
  readonly shape: Dims3;
  /** dim[4]: 1, or the number of volumes of a 4-D file. */
  readonly volumes: number;
  /** mm along z, y, x. */
  readonly spacing: Dims3;
  readonly affine: Affine;
  readonly datatype: NiftiDatatype;
  /** Byte at which voxels begin. */
  readonly voxelOffset: number;
  /** value = slope * stored + intercept; 1 and 0 when the file asks for no scaling. */
  readonly slope: number;
  readonly intercept: number;
  readonly description: string;
}

/** Bytes that hold any NIfTI header: 348 (version 1) or 540 (version 2). */
export const NIFTI_HEADER_BYTES = 540;

/**
 * Parses and checks a NIfTI-1 or NIfTI-2 header of either byte order.
 *
 * The affine is the sform when its code is positive, else the qform when its code is positive, else the diagonal of pixdim.
 *
 * @param bytes the first bytes of the (decompressed) file; 540 are enough
 * @param file named in errors
 * @throws {DataError} when this is not a single-file NIfTI image of one scalar per voxel in three or four dimensions with positive spacing
 * Source: nifti1.h and nifti2.h, https://nifti.nimh.nih.gov
 */
export function parseNiftiHeader(bytes: Uint8Array, file: string): NiftiHeader {
  const refuse = (found: string, wanted: string, remedy: string): never => {
    throw new DataError({ file, found, wanted, remedy });
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { version, littleEndian } = identify(view, bytes, file);
  const fields = version === 1 ? fieldsOfVersion1(view, littleEndian) : fieldsOfVersion2(view, littleEndian);

  const { dim } = fields;
  const rank = dim[0];
  if (!(rank >= 1 && rank <= 7)) {
    refuse(`${rank} dimensions`, "3", "the header is damaged: export the image again");
  }
  const sizes = dim.slice(1, 1 + rank);
  const shapeText = `shape ${sizes.join("x")}`;
  const vector = VECTOR_INTENTS[fields.intent];
  const several = sizes.slice(3).some((size) => size > 1);
  if (several && (vector || sizes.slice(4).some((size) => size > 1))) {
    const kind = `vector-valued (intent ${fields.intent}${vector ? `, ${vector}` : ""})`;
    refuse(
      `${shapeText}, ${kind}`,
      "a 3-D image of one real number per voxel",
      "convert it to a scalar image",
    );
  }
  if (rank < 3 || sizes.some((size, axis) => !(size >= 1) && (axis < 3 || size !== 0))) {
    refuse(shapeText, "a 3-D image (trailing sizes of 1 are fine)", "convert it to one 3-D volume");
  }
  const datatype = (Object.keys(NIFTI_DATATYPES) as NiftiDatatype[])
    .find((name) => NIFTI_DATATYPES[name].code === fields.datatypeCode);
  if (!datatype) {
    const kind = OTHER_DATATYPES[fields.datatypeCode] ?? "unknown type";
    refuse(
      `${kind} (datatype ${fields.datatypeCode})`,
      "one real number per voxel",
      "convert it to a scalar image",
    );
  }
  const steps = fields.pixdim.slice(1, 4);
  if (!steps.every((step) => Number.isFinite(step) && step > 0)) {
    refuse(`spacing ${steps.join(" x ")}`, "three positive numbers", "correct pixdim in the header");
  }
  const affine = geometryAffine(fields);
  const norms = columnNorms(affine);
  const volume = Math.abs(affineDeterminant(affine));
  if (!affine.every(Number.isFinite) || !(volume > 1e-6 * norms[0] * norms[1] * norms[2])) {
    refuse(
      "a singular or non-finite orientation matrix",
      "three independent axes",
      "correct sform and qform in the header",
    );
  }
  const { slope, intercept } = scaling(fields.slope, fields.intercept, refuse);
  const lowest = version === 1 ? 352 : 544;
  const voxelOffset = fields.voxelOffset === 0 ? lowest : fields.voxelOffset;
  if (!Number.isSafeInteger(voxelOffset) || voxelOffset < lowest) {
    refuse(`voxel offset ${fields.voxelOffset}`, `an offset of ${lowest} or more`, "export the image again");
  }
  return {
    ...fields,
    version,
    littleEndian,
    shape: [sizes[2], sizes[1], sizes[0]],
    volumes: Math.max(sizes[3] ?? 1, 1),
    spacing: [norms[2], norms[1], norms[0]],
    affine,
    datatype: datatype!,
    voxelOffset,
    slope,
    intercept,
  };
}

function identify(
  view: DataView,
  bytes: Uint8Array,
  file: string,
): { version: 1 | 2; littleEndian: boolean } {
  const remedy = "convert it to .nii or .nii.gz";
  if (bytes.length < 348) {
    throw new DataError({
      file,
      found: `${bytes.length} bytes`,
      wanted: "a NIfTI header of 348 or 540 bytes",
      remedy,
    });
  }
  for (const littleEndian of [true, false]) {
    const size = view.getInt32(0, littleEndian);
    if (size !== 348 && size !== 540) continue;
    const version = size === 348 ? 1 : 2;
    if (version === 2 && bytes.length < 540) {
      throw new DataError({
        file,
        found: `${bytes.length} bytes`,
        wanted: "a NIfTI-2 header of 540 bytes",
        remedy,
      });
    }
    const at = version === 1 ? 344 : 4;
    const magic = String.fromCharCode(...bytes.subarray(at, at + 4)).replace(/\0+$/, "");
    if (magic === `n+${version}`) return { version, littleEndian };
    const pair = magic === `ni${version}`;
    throw new DataError({
      file,
      found: pair ? "the header of an .hdr/.img pair" : `magic ${JSON.stringify(magic)}`,
      wanted: `a single-file NIfTI image (magic "n+${version}")`,
      remedy,
    });
  }
  const start = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  throw new DataError({
    file,
    found: `no NIfTI header (first bytes ${start})`,
    wanted: "a NIfTI-1 or NIfTI-2 image",
    remedy,
  });
}

function scaling(
  slope: number,
  intercept: number,
  refuse: (found: string, wanted: string, remedy: string) => never,
) {
  if (slope === 0 || Number.isNaN(slope)) return { slope: 1, intercept: 0 };
  if (!Number.isFinite(slope) || !Number.isFinite(intercept)) {
    refuse(
      `scl_slope ${slope}, scl_inter ${intercept}`,
      "finite numbers",
      "correct the scaling in the header",
    );
  }
  return { slope, intercept };
}

function range(count: number, read: (index: number) => number): number[] {
  return Array.from({ length: count }, (_, index) => read(index));
}

function text(view: DataView, at: number, length: number): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, length);
  return new TextDecoder("latin1").decode(bytes).replace(/\0[\s\S]*$/, "");
}

function fieldsOfVersion1(view: DataView, le: boolean) {
  return {
    version: 1 as const,
    dim: range(8, (i) => view.getInt16(40 + 2 * i, le)),
    intent: view.getInt16(68, le),
    datatypeCode: view.getInt16(70, le),
    pixdim: range(8, (i) => view.getFloat32(76 + 4 * i, le)),
    voxelOffset: view.getFloat32(108, le),
    slope: view.getFloat32(112, le),
    intercept: view.getFloat32(116, le),
    xyztUnits: view.getUint8(123),
    description: text(view, 148, 80),
    qformCode: view.getInt16(252, le),
    sformCode: view.getInt16(254, le),
    quaternion: range(6, (i) => view.getFloat32(256 + 4 * i, le)),
    sform: range(12, (i) => view.getFloat32(280 + 4 * i, le)),
  };
}

function fieldsOfVersion2(view: DataView, le: boolean) {
  return {
    version: 2 as const,
    dim: range(8, (i) => Number(view.getBigInt64(16 + 8 * i, le))),
    intent: view.getInt32(504, le),
    datatypeCode: view.getInt16(12, le),
    pixdim: range(8, (i) => view.getFloat64(104 + 8 * i, le)),
    voxelOffset: Number(view.getBigInt64(168, le)),
    slope: view.getFloat64(176, le),
    intercept: view.getFloat64(184, le),
    xyztUnits: view.getInt32(500, le),
    description: text(view, 240, 80),
    qformCode: view.getInt32(344, le),
    sformCode: view.getInt32(348, le),
    quaternion: range(6, (i) => view.getFloat64(352 + 8 * i, le)),
    sform: range(12, (i) => view.getFloat64(400 + 8 * i, le)),
  };
}
