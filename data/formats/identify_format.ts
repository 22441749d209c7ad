import { toDataError } from "../errors.ts";
import { isDicomName } from "../image_names.ts";
import { readStart } from "./byte_pieces.ts";
import { hasDicomMagic } from "./dicom/is_dicom_file.ts";
import type { ImageFormat } from "./image_header.ts";

/**
 * Format of an image by the first bytes of its file; a folder counts as a DICOM series.
 *
 * What is not recognised is "nifti", whose reader says what it found instead.
 *
 * @throws {DataError} when the path cannot be opened
 */
export function identifyFormat(path: string): ImageFormat {
  if (/\.nii(\.gz)?$/i.test(path)) return "nifti"; // by far the most: spares them a second look
  try {
    if (Deno.statSync(path).isDirectory) return "dicom";
  } catch (error) {
    throw toDataError(error, path);
  }
  const { start } = readStart(path, 256);
  const text = new TextDecoder("latin1").decode(start);
  if (text.startsWith("NRRD000")) return "nrrd";
  if (/^\s*(ObjectType|NDims)\s*=/.test(text)) return "mha";
  return hasDicomMagic(start) || isDicomName(path.split("/").at(-1)!) ? "dicom" : "nifti";
}
