import { DataError } from "../../errors.ts";
import { describeGrid } from "../describe_grid.ts";
import { LPS_SIGNS } from "../grid_affine.ts";
import type { ImageHeader } from "../image_header.ts";
import { SCALAR_BYTES, type ScalarType } from "../scalar_types.ts";
import { readTextHeader } from "../text_start.ts";

/** Other names of the types. */
const TYPES: Readonly<Record<string, ScalarType>> = {
  "signed char": "int8",
  "unsigned char": "uint8",
  uchar: "uint8",
  short: "int16",
  "short int": "int16",
  "signed short": "int16",
  "signed short int": "int16",
  ushort: "uint16",
  "unsigned short": "uint16",
  "unsigned short int": "uint16",
  int: "int32",
  "signed int": "int32",
  uint: "uint32",
  "unsigned int": "uint32",
  longlong: "int64",
  "long long": "int64",
  "long long int": "int64",
  "signed long long": "int64",
  "signed long long int": "int64",
  ulonglong: "uint64",
  "unsigned long long": "uint64",
  "unsigned long long int": "uint64",
  float: "float32",
  double: "float64",
};

/**
 * Signs of the world axes of the spaces that say where they point; any other counts as left-posterior-superior, as ITK has it.
 * In a left-anterior-superior space ITK 5 turns x around instead of y; the definition of the format counts here.
 */
const SPACE_SIGNS: Readonly<Record<string, readonly number[]>> = {
  "right-anterior-superior": [1, 1, 1],
  ras: [1, 1, 1],
  "left-anterior-superior": [-1, 1, 1],
  las: [-1, 1, 1],
};

/** Kinds of axes that are positions in space. */
const SPATIAL_KINDS = new Set(["domain", "space", "???", "none"]);
/** Kinds of axes along which separate images lie. */
const LIST_KINDS = new Set(["list", "time", "point", ...SPATIAL_KINDS]);

/**
 * Reads and checks the header of a NRRD file with its voxels in the same file: 3-D, or 4-D with the images along the last axis.
 *
 * @throws {DataError} for several numbers a voxel, a detached header, or sizes that the file cannot hold
 * Source: Definition of NRRD file format, https://teem.sourceforge.net/nrrd/format.html
 */
export function readNrrdHeader(path: string, maxBytes?: number): ImageHeader {
  const { lines, headerBytes, fileBytes } = readTextHeader(path, /\r?\n\r?\n/);
  const fields = new Map<string, string>();
  for (const line of lines) {
    const [, key, value] = /^([^#:][^:]*): (.*)$/.exec(line) ?? [];
    if (key) fields.set(key.trim().toLowerCase(), value.trim());
  }
  const refuse = (found: string, wanted: string, remedy = "convert it to a 3-D scalar image"): never => {
    throw new DataError({ file: path, found, wanted, remedy });
  };
  if (fields.has("data file") || fields.has("datafile")) {
    refuse(
      "a header whose voxels are in another file",
      "one .nrrd file",
      "save it as one .nrrd or .nii.gz file",
    );
  }
  const numbers = (field: string) => (fields.get(field) ?? "").split(/\s+/).filter(Boolean).map(Number);
  const sizes = numbers("sizes");
  const named = (fields.get("type") ?? "").toLowerCase().replace(/^(u?int(8|16|32|64))_t$/, "$1");
  const datatype = named in SCALAR_BYTES ? named as ScalarType : TYPES[named];
  if (!datatype) refuse(`voxels of type ${fields.get("type")}`, "one real number per voxel");
  const valid = sizes.every((size) => Number.isSafeInteger(size) && size >= 1);
  if (!valid || sizes.length !== Number(fields.get("dimension"))) {
    refuse(
      `sizes ${fields.get("sizes")} in ${fields.get("dimension")} dimensions`,
      "positive sizes, one an axis",
    );
  }
  const kinds = (fields.get("kinds") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const kindOf = (axis: number) => kinds[axis] ?? "domain";
  const directions = parseDirections(fields.get("space directions"));
  const isSpatial = (axis: number) => SPATIAL_KINDS.has(kindOf(axis)) && directions?.[axis] !== null;
  const text = `shape ${sizes.join("x")}, kinds ${kinds.join(" ") || "not given"}`;
  const scalar = "a 3-D image of one real number per voxel";
  if (sizes.length > 3 && !(isSpatial(0) && isSpatial(1) && isSpatial(2) && LIST_KINDS.has(kindOf(3)))) {
    refuse(`${text}, vector-valued`, scalar);
  }
  if (![3, 4].includes(sizes.length) || ![0, 1, 2].every(isSpatial)) refuse(text, scalar);

  const spacings = numbers("spacings");
  const steps = [0, 1, 2].map((axis) =>
    directions?.[axis] ?? [0, 1, 2].map((world) => (world === axis ? stepOf(spacings[axis]) : 0))
  );
  const origin = parseVector(fields.get("space origin") ?? "(0,0,0)");
  const signs = SPACE_SIGNS[(fields.get("space") ?? "").toLowerCase()] ?? LPS_SIGNS;
  const encoding = (fields.get("encoding") ?? "").toLowerCase();
  const packing = encoding === "raw" ? "none" : /^gz(ip)?$/.test(encoding) ? "deflate" : "other";
  return describeGrid(
    path,
    { format: "nrrd", sizes, datatype, steps, origin, signs, headerBytes, fileBytes, packing },
    maxBytes,
  );
}

/** Step of an axis without direction; files write NaN where they do not know it. */
function stepOf(spacing: number | undefined): number {
  return spacing === undefined || Number.isNaN(spacing) ? 1 : Math.abs(spacing);
}

/** Vectors of `space directions`, null for "none"; undefined when the field is missing. */
function parseDirections(text: string | undefined): (number[] | null)[] | undefined {
  return text?.match(/none|\([^)]*\)/gi)?.map((part) => (part.startsWith("(") ? parseVector(part) : null));
}

function parseVector(text: string): number[] {
  const values = text.replace(/[()]/g, "").split(",").map(Number);
  return [0, 1, 2].map((axis) => values[axis] ?? NaN);
}
