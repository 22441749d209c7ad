import { DataError } from "../../errors.ts";
import { makeVolume, type Volume, voxelCount } from "../../volume.ts";
import type { ImageHeader, ReadImageOptions } from "../image_header.ts";
import { checkVolumeChoice } from "../check_size.ts";
import { ITK_MODULE } from "./deps.ts";
import { runConverter } from "./run_converter.ts";

/** ITK returns zeros, or part of the voxels, after it has said one of these. */
const DAMAGE = /uncompress failed|not read completely/i;

/**
 * Reads the voxels of a NRRD or MetaImage file whose header has been read, with ITK in a process of its own.
 *
 * @throws {DataError} when the optional module is missing, the file is damaged, or it is 4-D and no volume is chosen
 */
export async function readItk(
  path: string,
  header: ImageHeader,
  { volume }: ReadImageOptions,
): Promise<Volume> {
  const index = checkVolumeChoice(path, header, volume);
  const bytes = await runConverter(
    { script: "./itk_converter.ts", module: ITK_MODULE, damage: DAMAGE },
    path,
  );
  const voxels = voxelCount(header.shape);
  if (bytes.length !== 4 * voxels * header.volumes) {
    throw new DataError({
      file: path,
      found: `${bytes.length / 4} voxels`,
      wanted: `${voxels * header.volumes}, as the header says`,
      remedy: "the file is damaged: export it again",
    });
  }
  const data = new Float32Array(bytes.slice(4 * voxels * index, 4 * voxels * (index + 1)).buffer);
  return makeVolume(data, header.shape, header.affine);
}
