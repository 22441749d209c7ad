import { DataError } from "../../errors.ts";
import { describeGrid } from "../describe_grid.ts";
import { LPS_SIGNS } from "../grid_affine.ts";
import type { ImageHeader } from "../image_header.ts";
import type { ScalarType } from "../scalar_types.ts";
import { readTextHeader } from "../text_start.ts";

const TYPES: Readonly<Record<string, ScalarType>> = {
  MET_CHAR: "int8",
  MET_UCHAR: "uint8",
  MET_SHORT: "int16",
  MET_USHORT: "uint16",
  MET_INT: "int32",
  MET_UINT: "uint32",
  MET_LONG: "int64",
  MET_ULONG: "uint64",
  MET_LONG_LONG: "int64",
  MET_ULONG_LONG: "uint64",
  MET_FLOAT: "float32",
  MET_DOUBLE: "float64",
};

/**
 * Reads and checks the header of a MetaImage file (.mha) with its voxels in the same file: 3-D, or 4-D with the images along the last axis.
 *
 * @throws {DataError} for several numbers a voxel, voxels in another file, or sizes that the file cannot hold
 * Source: MetaImage documentation, https://itk.org/Wiki/ITK/MetaIO/Documentation; world axes point left, posterior, superior as in ITK
 */
export function readMhaHeader(path: string, maxBytes?: number): ImageHeader {
  const { lines, headerBytes, fileBytes } = readTextHeader(path, /^[ \t]*ElementDataFile[ \t]*=[^\n]*\n/m);
  const fields = new Map<string, string>();
  for (const line of lines) {
    const equals = line.indexOf("=");
    if (equals > 0) fields.set(line.slice(0, equals).trim(), line.slice(equals + 1).trim());
  }
  const refuse = (found: string, wanted: string, remedy = "convert it to a 3-D scalar image"): never => {
    throw new DataError({ file: path, found, wanted, remedy });
  };
  const data = fields.get("ElementDataFile");
  if (data?.toUpperCase() !== "LOCAL") {
    refuse(`voxels in ${data}`, "one .mha file (ElementDataFile = LOCAL)", "save it as .mha or .nii.gz");
  }
  const numbers = (...names: string[]) => {
    const text = names.map((name) => fields.get(name)).find((value) => value !== undefined);
    return text?.split(/\s+/).map(Number);
  };
  const sizes = numbers("DimSize") ?? [];
  const type = fields.get("ElementType") ?? "";
  const datatype = TYPES[type.replace(/_ARRAY$/, "")];
  const channels = numbers("ElementNumberOfChannels")?.[0] ?? 1;
  if (!datatype) refuse(`voxels of type ${type}`, "one real number per voxel");
  if (channels !== 1) {
    refuse(`shape ${sizes.join("x")}, vector-valued (${channels} channels)`, "one real number per voxel");
  }
  const valid = sizes.every((size) => Number.isSafeInteger(size) && size >= 1);
  if (!valid || sizes.length !== Number(fields.get("NDims"))) {
    refuse(
      `DimSize ${fields.get("DimSize")} in ${fields.get("NDims")} dimensions`,
      "positive sizes, one an axis",
    );
  }
  const rank = sizes.length;
  if (rank !== 3 && rank !== 4) refuse(`shape ${sizes.join("x")}`, "a 3-D image");

  const spacing = numbers("ElementSpacing", "ElementSize") ?? sizes.map(() => 1);
  const matrix = numbers("TransformMatrix", "Rotation", "Orientation");
  const origin = numbers("Offset", "Position", "Origin") ?? sizes.map(() => 0);
  const steps = [0, 1, 2].map((axis) =>
    [0, 1, 2].map((world) =>
      (matrix ? matrix[axis * rank + world] : Number(axis === world)) * Math.abs(spacing[axis])
    )
  );
  const isTrue = (name: string) => fields.get(name)?.toLowerCase() === "true";
  const packing = isTrue("CompressedData") ? "deflate" : isTrue("BinaryData") ? "none" : "other";
  return describeGrid(path, {
    format: "mha",
    sizes,
    datatype,
    steps,
    origin: origin.slice(0, 3),
    signs: LPS_SIGNS,
    headerBytes,
    fileBytes,
    packing,
  }, maxBytes);
}
