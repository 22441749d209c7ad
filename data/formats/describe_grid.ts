import { columnNorms, type Dims3, voxelCount } from "../volume.ts";
import { checkSize, type PromisedSize } from "./check_size.ts";
import { gridAffine } from "./grid_affine.ts";
import { gridWarnings } from "./grid_warnings.ts";
import type { ImageHeader } from "./image_header.ts";
import { SCALAR_BYTES, type ScalarType } from "./scalar_types.ts";

/** What a text header says of its image; axes in file order x, y, z. */
export interface TextGrid extends Pick<ImageHeader, "format" | "fileBytes">, Pick<PromisedSize, "packing"> {
  readonly datatype: ScalarType;
  /** Numbers of voxels along x, y, z, and of volumes where there is a fourth axis. */
  readonly sizes: readonly number[];
  /** For each index axis x, y, z the step in the world, mm. */
  readonly steps: readonly (readonly number[])[];
  /** World position of voxel 0, mm. */
  readonly origin: readonly number[];
  /** Signs that turn the file's world axes into right, anterior, superior. */
  readonly signs: readonly number[];
  /** Bytes before the voxels. */
  readonly headerBytes: number;
}

/**
 * The header of an image whose voxels follow a text header in the same file.
 *
 * @throws {DataError} when the steps do not span three dimensions, or the file cannot hold what the header promises
 */
export function describeGrid(path: string, grid: TextGrid, maxBytes?: number): ImageHeader {
  const { format, sizes, datatype, fileBytes, packing } = grid;
  const affine = gridAffine(path, grid.steps, grid.origin, grid.signs);
  const norms = columnNorms(affine);
  const shape: Dims3 = [sizes[2], sizes[1], sizes[0]];
  const volumes = sizes[3] ?? 1;
  const voxelBytes = SCALAR_BYTES[datatype];
  const contentBytes = grid.headerBytes + voxelCount(shape) * volumes * voxelBytes;
  checkSize(path, { shape, volumes, datatype, voxelBytes, fileBytes, contentBytes, packing }, maxBytes);
  return {
    format,
    shape,
    spacing: [norms[2], norms[1], norms[0]],
    affine,
    volumes,
    datatype,
    fileBytes,
    contentBytes,
    warnings: gridWarnings(affine),
  };
}
