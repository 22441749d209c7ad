import assert from "node:assert/strict";
import { deflateSync, gzipSync } from "node:zlib";
import { DataError } from "../../data/errors.ts";
import { readImage, readImageHeader } from "../../data/formats/mod.ts";
import { DCM2NIIX_MODULE, ITK_MODULE } from "../../data/formats/optional/deps.ts";
import { runConverter } from "../../data/formats/optional/run_converter.ts";
import { applyAffine } from "../../data/volume.ts";
import { dicomBytes, mhaBytes, nrrdBytes } from "../support/image_bytes.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { assertAllClose } from "../support/tolerance.ts";

const EXACT = { atol: 0, rtol: 0 };
const CLOSE = { atol: 1e-6, rtol: 1e-6 };
const VALUES = Int16Array.from({ length: 24 }, (_, i) => i * 37 - 400);
const VOXELS = new Uint8Array(VALUES.buffer);

const NRRD = {
  type: "short",
  dimension: "3",
  space: "left-posterior-superior",
  sizes: "2 3 4",
  "space directions": "(0,2,0) (1.5,0,0) (0,0.3,3)",
  kinds: "domain domain domain",
  endian: "little",
  encoding: "raw",
  "space origin": "(10,20,30)",
} as const;
const MHA = {
  NDims: "3",
  BinaryData: "True",
  BinaryDataByteOrderMSB: "False",
  CompressedData: "False",
  TransformMatrix: "0 1 0 1 0 0 0 0 1",
  Offset: "10 20 30",
  ElementSpacing: "2 1.5 3",
  DimSize: "2 3 4",
  ElementType: "MET_SHORT",
} as const;

/** True when an optional module can be had: it is in Deno's cache, or npm can be reached. */
async function available(module: string): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["cache", "--quiet", "--no-config", "--no-lock", module],
    stderr: "null",
  }).output();
  if (!success) console.log(`Tests with ${module} are skipped: it can be neither found nor fetched`);
  return success;
}
const noItk = !(await available(ITK_MODULE)), noDcm2niix = !(await available(DCM2NIIX_MODULE));

Deno.test("readImageHeader() reads NRRD: directions, spaces, spacings, 4-D lists", () =>
  withFolder(async (folder) => {
    const header = async (fields: Record<string, string | undefined>, voxels = VOXELS) => {
      await Deno.writeFile(`${folder}/a.nrrd`, nrrdBytes({ ...NRRD, ...fields }, voxels));
      return await readImageHeader(`${folder}/a.nrrd`);
    };
    const full = await header({});
    assert.deepEqual([full.format, full.shape, full.volumes, full.datatype], ["nrrd", [4, 3, 2], 1, "int16"]);
    assertAllClose(full.affine, [0, -1.5, 0, -10, -2, 0, -0.3, -20, 0, 0, 3, 30, 0, 0, 0, 1], CLOSE);
    assertAllClose(full.spacing, [Math.hypot(0.3, 3), 1.5, 2], CLOSE);
    assert.match(full.warnings[0], /^sheared grid: x and z meet at 84\.3 degrees/);
    assert.equal(full.contentBytes, full.fileBytes);
    const ras = await header({ space: "RAS" });
    assertAllClose(ras.affine, [0, 1.5, 0, 10, 2, 0, 0.3, 20, 0, 0, 3, 30, 0, 0, 0, 1], CLOSE);
    const las = await header({ space: "left-anterior-superior" });
    assertAllClose(las.affine, [0, -1.5, 0, -10, 2, 0, 0.3, 20, 0, 0, 3, 30, 0, 0, 0, 1], CLOSE);
    const plain = {
      space: undefined,
      "space directions": undefined,
      "space origin": undefined,
      kinds: undefined,
    };
    assertAllClose((await header({ ...plain, spacings: "2 1.5 NaN" })).spacing, [1, 1.5, 2], EXACT);
    const list = {
      dimension: "4",
      sizes: "2 3 2 2",
      kinds: "domain domain domain list",
      "space directions": "(1,0,0) (0,1,0) (0,0,1) none",
    };
    assert.deepEqual((await header(list)).volumes, 2);
  }));

Deno.test("readImageHeader() reads MetaImage", () =>
  withFolder(async (folder) => {
    await Deno.writeFile(`${folder}/a.mha`, mhaBytes(MHA, VOXELS));
    const header = await readImageHeader(`${folder}/a.mha`);
    assert.deepEqual([header.format, header.shape, header.datatype], ["mha", [4, 3, 2], "int16"]);
    assertAllClose(header.affine, [0, -1.5, 0, -10, -2, 0, 0, -20, 0, 0, 3, 30, 0, 0, 0, 1], EXACT);
    assert.deepEqual(header.warnings, []);
  }));

const BAD: Record<string, [Uint8Array, RegExp]> = {
  "vector.nrrd": [
    nrrdBytes({ ...NRRD, dimension: "4", sizes: "3 2 2 2", kinds: "vector domain domain domain" }, VOXELS),
    /found shape 3x2x2x2, kinds vector domain domain domain, vector-valued, wanted a 3-D image of one real/,
  ],
  "flat.nrrd": [nrrdBytes({ ...NRRD, dimension: "2", sizes: "2 3" }, VOXELS), /found shape 2x3, kinds/],
  "block.nrrd": [nrrdBytes({ ...NRRD, type: "block" }, VOXELS), /found voxels of type block/],
  "detached.nrrd": [nrrdBytes({ ...NRRD, "data file": "a.raw" }, VOXELS), /voxels are in another file/],
  "short.nrrd": [nrrdBytes(NRRD, VOXELS.subarray(1)), /promises \d+ bytes \(2x3x4 int16\), wanted \d+ bytes/],
  "huge.nrrd": [
    nrrdBytes({ ...NRRD, sizes: "9000 9000 9000", encoding: "gzip" }, VOXELS),
    /all that \d+ compressed bytes can hold/,
  ],
  "flat-axes.nrrd": [
    nrrdBytes({ ...NRRD, "space directions": "(1,0,0) (1,0,0) (0,0,1)" }, VOXELS),
    /found axes \(1, 0, 0\) \(1, 0, 0\) \(0, 0, 1\) at/,
  ],
  "endless.nrrd": [new TextEncoder().encode("NRRD0004\ntype: short\n"), /no end of the header in 21 bytes/],
  "sizes.nrrd": [nrrdBytes({ ...NRRD, sizes: "2 3" }, VOXELS), /found sizes 2 3 in 3 dimensions/],
  "vector.mha": [
    mhaBytes({ ...MHA, ElementNumberOfChannels: "3" }, VOXELS),
    /found shape 2x3x4, vector-valued \(3 channels\)/,
  ],
  "short.mha": [mhaBytes(MHA, VOXELS.subarray(1)), /promises \d+ bytes \(2x3x4 int16\), wanted \d+ bytes/],
  "type.mha": [mhaBytes({ ...MHA, ElementType: "MET_STRING" }, VOXELS), /found voxels of type MET_STRING/],
};

for (const [name, [bytes, message]] of Object.entries(BAD)) {
  Deno.test(`readImageHeader() and readImage() refuse ${name} in one line`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/${name}`;
      await Deno.writeFile(path, bytes);
      for (const read of [readImageHeader, readImage]) {
        await assert.rejects(read(path), (error) => {
          assert.ok(error instanceof DataError, String(error));
          assert.match(error.message, message);
          assert.ok(error.message.startsWith(`Cannot read ${path}: found `) && !error.message.includes("\n"));
          return true;
        });
      }
    }));
}

Deno.test({
  name: "readImage() reads NRRD and MetaImage, raw and packed, both byte orders, one of several volumes",
  ignore: noItk,
  fn: () =>
    withFolder(async (folder) => {
      const swapped = VOXELS.slice();
      for (let i = 0; i < swapped.length; i += 2) [swapped[i], swapped[i + 1]] = [swapped[i + 1], swapped[i]];
      const packed = new Uint8Array(deflateSync(VOXELS));
      const packedMha = { ...MHA, CompressedData: "True", CompressedDataSize: `${packed.length}` };
      const list = { dimension: "4", sizes: "2 3 2 2", kinds: "domain domain domain list" };
      const directions = "(0,2,0) (1.5,0,0) (0,0.3,3) none";
      const files: [name: string, bytes: Uint8Array, volume?: number][] = [
        ["raw.nrrd", nrrdBytes(NRRD, VOXELS)],
        ["packed.nrrd", nrrdBytes({ ...NRRD, encoding: "gzip" }, gzipSync(VOXELS))],
        ["big.nrrd", nrrdBytes({ ...NRRD, endian: "big" }, swapped)],
        ["text.nrrd", nrrdBytes({ ...NRRD, encoding: "text" }, new TextEncoder().encode(VALUES.join(" ")))],
        ["list.nrrd", nrrdBytes({ ...NRRD, ...list, "space directions": directions }, VOXELS), 1],
        ["raw.mha", mhaBytes(MHA, VOXELS)],
        ["packed.mha", mhaBytes(packedMha, packed)],
        ["big.mha", mhaBytes({ ...MHA, BinaryDataByteOrderMSB: "True" }, swapped)],
      ];
      for (const [name, bytes, volume] of files) {
        const path = `${folder}/${name}`;
        await Deno.writeFile(path, bytes);
        const image = await readImage(path, { volume });
        const wanted = volume === undefined ? VALUES : VALUES.subarray(12);
        assertAllClose(image.data, wanted, EXACT, name);
        assert.deepEqual(image.affine, (await readImageHeader(path)).affine);
        if (volume !== undefined) await assert.rejects(readImage(path), /found shape 2x3x2x2, wanted a 3-D/);
      }
      const flipped = packed.slice();
      flipped[packed.length - 2] ^= 0x55; // in the checksum
      const damaged: Record<string, Uint8Array> = {
        "cut.nrrd": nrrdBytes({ ...NRRD, encoding: "gzip" }, gzipSync(VOXELS).subarray(0, 30)),
        "flipped.mha": mhaBytes(packedMha, flipped),
        "cut.mha": mhaBytes(packedMha, packed.subarray(0, 20)),
        "size-unknown.mha": mhaBytes({ ...packedMha, CompressedDataSize: undefined }, packed),
      };
      for (const [name, bytes] of Object.entries(damaged)) {
        await Deno.writeFile(`${folder}/${name}`, bytes);
        await assert.rejects(readImage(`${folder}/${name}`), (error) => {
          assert.ok(error instanceof DataError, `${name}: ${error}`);
          assert.match(error.message, /found what npm:@itk-wasm.* cannot read \(/);
          return true;
        }, name);
      }
    }),
});

Deno.test({
  name: "the grid that is read from NRRD and MetaImage headers is ITK's",
  ignore: noItk,
  fn: () =>
    withFolder(async (folder) => {
      const variants: Record<string, Uint8Array> = {
        "lps.nrrd": nrrdBytes(NRRD, VOXELS),
        "ras.nrrd": nrrdBytes({ ...NRRD, space: "right-anterior-superior" }, VOXELS),
        "plain.nrrd": nrrdBytes({
          ...NRRD,
          space: undefined,
          "space directions": undefined,
          "space origin": undefined,
          spacings: "2 1.5 3",
        }, VOXELS),
        "matrix.mha": mhaBytes({ ...MHA, TransformMatrix: "0 1 0 0 0 1 1 0 0" }, VOXELS),
        "bare.mha": mhaBytes({ ...MHA, TransformMatrix: undefined, Offset: undefined }, VOXELS),
      };
      const program = `${folder}/grid.ts`;
      await Deno.writeTextFile(
        program,
        `const { readImageNode } = await import(Deno.args[0]);
         for (const path of Deno.args.slice(1)) {
           const { origin, spacing, direction } = await readImageNode(path);
           console.log(JSON.stringify({ origin, spacing, direction: [...direction] }));
         }
         Deno.exit(0);`,
      );
      const paths = Object.keys(variants).map((name) => `${folder}/${name}`);
      for (const [name, bytes] of Object.entries(variants)) await Deno.writeFile(`${folder}/${name}`, bytes);
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--quiet", "--no-config", "--no-lock", "-A", program, ITK_MODULE, ...paths],
      }).output();
      const grids = new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
      for (const [i, path] of paths.entries()) {
        const { origin, spacing, direction } = grids[i];
        const signs = [-1, -1, 1]; // ITK's world: left, posterior, superior
        const affine = [0, 1, 2].flatMap((row) => [
          ...[0, 1, 2].map((axis) => signs[row] * direction[3 * row + axis] * spacing[axis]),
          signs[row] * origin[row],
        ]);
        assertAllClose((await readImageHeader(path)).affine.slice(0, 12), affine, CLOSE, path);
      }
    }),
});

Deno.test({
  name: "a DICOM series, its files in any order, becomes one image; two series in a folder are refused",
  ignore: noDcm2niix,
  fn: () =>
    withFolder(async (folder) => {
      const size = [8, 6] as const, spacing = [1.5, 2, 3] as const;
      const pixel = (z: number, i: number) => z * 100 + i;
      const slice = async (path: string, series: number, z: number) => {
        const pixels = Int16Array.from({ length: 48 }, (_, i) => pixel(z, i));
        const position = [-10, -20, 30 + 3 * z] as const;
        await Deno.writeFile(path, dicomBytes({ series, instance: z + 1, size, spacing, position, pixels }));
      };
      await Deno.mkdir(`${folder}/series`);
      for (let z = 0; z < 5; z++) await slice(`${folder}/series/IM${9 - z}`, 3, z);
      const header = await readImageHeader(`${folder}/series`);
      assert.deepEqual([header.format, header.shape, header.volumes], ["dicom", [5, 6, 8], 1]);
      assertAllClose(header.spacing, [3, 2, 1.5], CLOSE);
      assert.ok(header.fileBytes > 5 * 96);
      const image = await readImage(`${folder}/series`);
      // Wherever the axes point, the voxel of a pixel lies where its slice says, with the rescaled value.
      for (const [x, y, z] of [[0, 0, 0], [7, 0, 0], [2, 5, 4], [4, 3, 2]] as const) {
        const world = [10 - 1.5 * x, 20 - 2 * y, 30 + 3 * z]; // right, anterior, superior
        const found = nearestVoxel(image, world);
        assert.equal(image.data[found], 2 * pixel(z, y * 8 + x) - 5, `pixel ${x}, ${y}, ${z}`);
      }
      for (let z = 0; z < 5; z++) await slice(`${folder}/series/b${z}.dcm`, 4, z);
      await assert.rejects(
        readImage(`${folder}/series`),
        /series: found 2 series that dcm2niix converts, in 10 files, wanted one DICOM image series: sort/,
      );
      await assert.rejects(readImage(`${folder}/series`, { maxBytes: 100 }), /10 DICOM files of \d+ bytes/);
      await Deno.mkdir(`${folder}/empty`);
      await assert.rejects(readImage(`${folder}/empty`), /empty: found a folder without DICOM files/);
      await Deno.writeTextFile(`${folder}/empty/a.dcm`, "not DICOM");
      await assert.rejects(
        readImageHeader(`${folder}/empty`),
        /found no series that dcm2niix converts|cannot read/,
      );
    }),
});

function nearestVoxel(image: Awaited<ReturnType<typeof readImage>>, world: readonly number[]): number {
  const [d, h, w] = image.shape;
  for (let z = 0, at = 0; z < d; z++) {
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++, at++) {
        const place = applyAffine(image.affine, [x, y, z]);
        if (place.every((value, axis) => Math.abs(value - world[axis]) < 1e-3)) return at;
      }
    }
  }
  throw new Error(`no voxel at ${world.join(", ")}`);
}

Deno.test("a missing optional module is named, with what to do", async () => {
  const module = "npm:@spark3d/no-such-reader@1.0.0";
  const error = await runConverter({ script: "./itk_converter.ts", module }, "/data/a.nrrd").catch((error) =>
    error
  );
  assert.ok(error instanceof DataError);
  assert.match(
    error.message,
    /Cannot read \/data\/a\.nrrd: found no optional module npm:@spark3d\/no-such-reader@1\.0\.0 \(.*\), wanted .*: run "deno cache/,
  );
});
