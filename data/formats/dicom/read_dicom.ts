import { DataError, toDataError } from "../../errors.ts";
import { isDicomName } from "../../image_names.ts";
import type { Volume } from "../../volume.ts";
import { DEFAULT_MAX_BYTES, type ImageHeader, type ReadImageOptions } from "../image_header.ts";
import { describeNifti } from "../nifti/describe.ts";
import { readNifti, readNiftiHeader } from "../nifti/read_nifti.ts";
import { DCM2NIIX_MODULE } from "../optional/deps.ts";
import { runConverter } from "../optional/run_converter.ts";
import { isDicomFile } from "./is_dicom_file.ts";

/** How dcm2niix names images that it brought onto a regular grid: uneven distances of slices, tilted gantry. */
const CORRECTED = /_(Eq|Tilt)(_\d+)?\.nii$/;

/**
 * Header of a DICOM series as dcm2niix converts it.
 *
 * @param path folder of the series, or one multi-frame file
 * @throws {DataError} when there is no series or more than one, or the optional module is missing
 */
export function readDicomHeader(path: string, options: ReadImageOptions = {}): Promise<ImageHeader> {
  return withConverted(path, options, async (nifti, fileBytes) => {
    const header = describeNifti(await readNiftiHeader(nifti, options));
    const corrected = CORRECTED.test(nifti)
      ? ["slices were interpolated onto a regular grid by dcm2niix"]
      : [];
    return { ...header, format: "dicom", fileBytes, warnings: [...header.warnings, ...corrected] };
  });
}

/** Reads a DICOM series. @throws {DataError} as `readDicomHeader`, and for a 4-D series without `volume` */
export function readDicom(path: string, options: ReadImageOptions = {}): Promise<Volume> {
  return withConverted(path, options, async (nifti) => {
    const { nifti: _stored, ...volume } = await readNifti(nifti, options);
    return volume;
  });
}

/** Runs `use` on the NIfTI file that dcm2niix makes of a series; errors about that file name the series. */
async function withConverted<T>(
  path: string,
  { maxBytes = DEFAULT_MAX_BYTES }: ReadImageOptions,
  use: (nifti: string, fileBytes: number) => Promise<T>,
): Promise<T> {
  const { files, fileBytes } = await dicomFiles(path);
  if (fileBytes > maxBytes) {
    throw new DataError({
      file: path,
      found: `${files.length} DICOM files of ${fileBytes} bytes`,
      wanted: `at most ${maxBytes} bytes`,
      remedy: "keep one series a folder, or raise maxBytes if the machine has the memory",
    });
  }
  const folder = await Deno.makeTempDir({ prefix: "spark3d-dicom-" });
  try {
    const list = `${folder}/files.txt`;
    await Deno.writeTextFile(list, files.join("\n"));
    const converter = { script: "./dicom_converter.ts", module: DCM2NIIX_MODULE, write: folder };
    await runConverter(converter, path, [list]);
    const images = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) =>
      name.endsWith(".nii")
    );
    const corrected = images.filter((name) => CORRECTED.test(name));
    const chosen = corrected.length > 0 ? corrected : images;
    if (chosen.length !== 1) {
      throw new DataError({
        file: path,
        found: `${chosen.length || "no"} series that dcm2niix converts, in ${files.length} files`,
        wanted: "one DICOM image series",
        remedy: chosen.length === 0
          ? "check that the files hold images with pixel data"
          : "sort the files into one folder a series",
      });
    }
    return await use(`${folder}/${chosen[0]}`, fileBytes);
  } catch (error) {
    if (error instanceof DataError && error.file !== path && error.file.startsWith(folder)) {
      throw new DataError({ ...error.fields(), file: path }, { cause: error });
    }
    throw toDataError(error, path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The DICOM files of a folder, or the file itself, in the order of names. */
async function dicomFiles(path: string): Promise<{ files: string[]; fileBytes: number }> {
  try {
    const real = await Deno.realPath(path);
    const info = await Deno.stat(real);
    if (info.isFile) return { files: [real], fileBytes: info.size };
    const files = [...Deno.readDirSync(real)]
      .filter(({ name }) => !name.startsWith(".") && name !== "DICOMDIR")
      .map(({ name }) => `${real}/${name}`)
      .filter((file) => isDicomName(file.slice(real.length + 1)) || isDicomFile(file)).sort();
    if (files.length === 0) throw new Error("a folder without DICOM files");
    return { files, fileBytes: files.reduce((sum, file) => sum + Deno.statSync(file).size, 0) };
  } catch (error) {
    throw toDataError(error, path);
  }
}
