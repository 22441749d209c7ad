import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { DataError } from "../../data/errors.ts";
import { readNifti } from "../../data/formats/nifti/read_nifti.ts";
import { preprocessFile } from "../../data/preprocess.ts";
import { floatVoxels, niftiBytes, type NiftiFields, withFolder } from "../support/nifti_bytes.ts";

const VOXELS = floatVoxels(Float32Array.from({ length: 24 }, (_, i) => i + 1));
const file = (fields: NiftiFields = {}, voxels = VOXELS) => niftiBytes(fields, voxels);

/** Content of a bad file, and what the one line about it must say. */
const BAD: Record<string, [Uint8Array, RegExp]> = {
  "empty.nii.gz": [new Uint8Array(0), /found an empty file, wanted a NIfTI image: copy it again/],
  "text.nii": [
    new TextEncoder().encode("this is not an image, ".repeat(40)),
    /found no NIfTI header \(first bytes 74 68 69 73\)/,
  ],
  "short.nii": [file().subarray(0, 200), /found 200 bytes, wanted a NIfTI header/],
  "truncated.nii": [
    file().subarray(0, 400),
    /promises 448 bytes \(2x3x4 float32\), wanted 400 bytes of file/,
  ],
  "truncated.nii.gz": [
    gzipSync(file({}, new Uint8Array(96).map((_, i) => i * 37))).subarray(0, 90),
    /gzip stream that ends early/,
  ],
  "damaged.nii.gz": [damage(gzipSync(file())), /damaged gzip stream/],
  "short-content.nii.gz": [
    gzipSync(file().subarray(0, 420)),
    /found 420 bytes, wanted 448 bytes: the file is truncated/,
  ],
  "magic.nii": [
    file({ magic: "nope" }),
    /found magic "nope", wanted a single-file NIfTI image \(magic "n\+1"\)/,
  ],
  "pair.nii": [file({ magic: "ni1" }), /found the header of an .hdr\/.img pair/],
  "analyze.nii": [file({ magic: "\0\0\0\0" }), /found magic "", wanted/],
  "four.nii": [file({ dim: [4, 2, 3, 2, 2, 1, 1, 1] }), /found shape 2x3x2x2, wanted a 3-D image/],
  "vector.nii": [
    file({ dim: [5, 2, 3, 2, 1, 2, 1, 1] }),
    /found shape 2x3x2x1x2, vector-valued \(intent 0\), wanted a 3-D image of one real number per voxel/,
  ],
  "two.nii": [file({ dim: [2, 4, 6, 1, 1, 1, 1, 1] }), /found shape 4x6, wanted a 3-D image/],
  "rgb.nii": [
    file({ datatype: 128, bits: 24 }),
    /found RGB24 voxels \(datatype 128\), wanted one real number per voxel/,
  ],
  "rgba.nii": [file({ datatype: 2304 }), /RGBA32/],
  "complex.nii": [file({ datatype: 32, bits: 64 }), /complex64 voxels/],
  "type.nii": [file({ datatype: 999 }), /unknown type \(datatype 999\)/],
  "zero-size.nii": [file({ size: [2, 0, 4] }), /found shape 2x0x4/],
  "negative-size.nii": [file({ size: [2, -3, 4] }), /found shape 2x-3x4/],
  "dimensions.nii": [file({ dim: [200, 2, 3, 4, 1, 1, 1, 1] }), /found 200 dimensions/],
  "zero-spacing.nii": [
    file({ pixdim: [1, 1, 0, 1, 0, 0, 0, 0] }),
    /found spacing 1 x 0 x 1, wanted three positive numbers/,
  ],
  "negative-spacing.nii": [file({ pixdim: [1, 1, 1, -2, 0, 0, 0, 0] }), /found spacing 1 x 1 x -2/],
  "nan-spacing.nii": [file({ pixdim: [1, NaN, 1, 1, 0, 0, 0, 0] }), /found spacing NaN x 1 x 1/],
  "singular.nii": [file({ sformCode: 1 }), /found a singular or non-finite orientation matrix/],
  "slope.nii": [file({ slope: 2, intercept: NaN }), /scl_slope 2, scl_inter NaN, wanted finite numbers/],
  "offset.nii": [file({ voxelOffset: 100 }), /voxel offset 100, wanted an offset of 352 or more/],
  "far-offset.nii": [file({ voxelOffset: 1e9 }), /wanted 448 bytes of file/],
  "huge-header.nii": [
    file({ size: [30000, 30000, 30000] }),
    /promises 108000000000352 bytes.*wanted 448 bytes of file/,
  ],
  "huge-header-2.nii": [
    file({ version: 2, dim: [3, 2 ** 50, 2 ** 50, 4, 1, 1, 1, 1] }),
    /wanted 640 bytes of file/,
  ],
  "huge-header.nii.gz": [
    gzipSync(file({ size: [3000, 3000, 3000] })),
    /all that \d+ compressed bytes can hold/,
  ],
  "nan.nii": [
    file({}, floatVoxels([1, NaN, 3, Infinity, ...new Array(20).fill(1)])),
    /2 NaN or infinite values \(the first at voxel 1\)/,
  ],
  "overflow.nii": [
    file({ datatype: 64, bits: 64 }, float64([1e300, ...new Array(23).fill(1)])),
    /1 NaN or infinite/,
  ],
  "zero.nii": [file({}, new Uint8Array(96)), /found zero in every voxel, wanted an image with content/],
  "constant.nii": [file({}, floatVoxels(new Array(24).fill(7))), /found the value 7 in every voxel/],
  "coarse.nii": [
    file({ pixdim: [1, 1e5, 1e5, 1e5, 0, 0, 0, 0] }),
    /wanted at most 4294967296 bytes after resampling/,
  ],
  "fine.nii": [
    file({ pixdim: [1, 1e-3, 1e-3, 1e-3, 0, 0, 0, 0] }),
    /wanted at least one voxel per axis after resampling/,
  ],
  "thin.nii": [
    file({ pixdim: [1, 0.4, 0.4, 0.4, 0, 0, 0, 0] }, floatVoxels([1, 2, ...new Array(22).fill(0)])),
    /content thinner/,
  ],
};

function damage(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[copy.length - 7] ^= 0x55; // in the checksum
  return copy;
}

function float64(values: readonly number[]): Uint8Array {
  return new Uint8Array(Float64Array.from(values).buffer);
}

for (const [name, [bytes, wanted]] of Object.entries(BAD)) {
  Deno.test(`preprocessFile() refuses ${name} in one line`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/${name}`;
      await Deno.writeFile(path, bytes);
      await assert.rejects(preprocessFile(path), (error) => {
        assert.ok(error instanceof DataError, String(error));
        assert.match(error.message, wanted);
        assert.ok(
          error.message.startsWith(
            `Cannot read ${path}: found ${error.found}, wanted ${error.wanted}: ${error.remedy}`,
          ),
        );
        assert.ok(!error.message.includes("\n"));
        return true;
      });
    }));
}

Deno.test("readNifti() refuses a gzip bomb by its promise, and reads no further than a small promise", () =>
  withFolder(async (folder) => {
    const zeros = new Uint8Array(64 << 20);
    const promising = file({ size: [256, 256, 256] }, zeros), modest = file({}, zeros);
    await Deno.writeFile(`${folder}/promising.nii.gz`, gzipSync(promising));
    await Deno.writeFile(`${folder}/modest.nii.gz`, gzipSync(modest));
    const limit = { maxBytes: 1 << 20 };
    await assert.rejects(
      readNifti(`${folder}/promising.nii.gz`, limit),
      /promises 67109216 bytes .* wanted at most 1048576 bytes/,
    );
    const before = Deno.memoryUsage().rss;
    const volume = await readNifti(`${folder}/modest.nii.gz`, limit);
    assert.equal(volume.data.length, 24);
    assert.ok(Deno.memoryUsage().rss - before < 32 << 20, "the whole stream was decompressed");
  }));

Deno.test("readNifti() says so when the path is missing, a folder, or not readable", () =>
  withFolder(async (folder) => {
    await assert.rejects(
      readNifti(`${folder}/no.nii`),
      /Cannot read .*no\.nii: found no such file or folder/,
    );
    await assert.rejects(readNifti(folder), /found a folder/);
    await Deno.writeFile(`${folder}/closed.nii`, file());
    await Deno.chmod(`${folder}/closed.nii`, 0);
    const readable = await Deno.open(`${folder}/closed.nii`).then(
      (opened) => (opened.close(), true),
      () => false,
    );
    const wanted = /found no permission, wanted the right to read/;
    if (!readable) return await assert.rejects(readNifti(`${folder}/closed.nii`), wanted);
    const message = await readAsNobody(folder, "closed.nii");
    if (message === null) console.log("the unreadable file is not tested: no other user can start Deno here");
    else assert.match(message, wanted);
  }));

/** Copies a tree so that everybody may read it. */
async function copyReadable(from: URL, to: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) {
      await Deno.mkdir(`${to}/${name}`);
      await Deno.chmod(`${to}/${name}`, 0o755);
      await copyReadable(new URL(`${name}/`, from), `${to}/${name}`);
    } else {
      await Deno.copyFile(new URL(name, from), `${to}/${name}`);
      await Deno.chmod(`${to}/${name}`, 0o644);
    }
  }
}

/** What `readNifti` says to a user without rights, for root, who may read everything; null when Deno does not start there. */
async function readAsNobody(folder: string, name: string): Promise<string | null> {
  await copyReadable(new URL("../../data/", import.meta.url), folder);
  const read = `import { readNifti } from "./formats/nifti/read_nifti.ts";
    await readNifti("${folder}/${name}").catch((error) => console.log(error.message));`;
  await Deno.writeTextFile(`${folder}/read.ts`, read);
  await Deno.mkdir(`${folder}/cache`);
  for (const path of [folder, `${folder}/cache`]) await Deno.chmod(path, 0o777);
  const nobody = 65534;
  try {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-config", "--no-lock", "--no-check", "--allow-all", `${folder}/read.ts`],
      uid: nobody,
      gid: nobody,
      cwd: folder,
      env: { DENO_DIR: `${folder}/cache`, HOME: folder },
      stderr: "null",
    }).output();
    assert.equal(code, 0);
    return new TextDecoder().decode(stdout);
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
