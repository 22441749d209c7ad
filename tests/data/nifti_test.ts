import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import * as nifti from "npm:nifti-reader-js@0.8.0";
import { readNifti, readNiftiHeader } from "../../data/formats/nifti/read_nifti.ts";
import { NIFTI_DATATYPES, type NiftiDatatype } from "../../data/formats/nifti/header.ts";
import { writeNifti } from "../../data/formats/nifti/write_nifti.ts";
import { makeVolume, type Volume } from "../../data/volume.ts";
import { floatVoxels, niftiBytes, type NiftiFields, withFolder } from "../support/nifti_bytes.ts";
import { assertAllClose } from "../support/tolerance.ts";

const EXACT = { atol: 0, rtol: 0 };
const SETTERS: Record<NiftiDatatype, (view: DataView, at: number, value: number, le: boolean) => void> = {
  uint8: (view, at, value) => view.setUint8(at, value),
  int8: (view, at, value) => view.setInt8(at, value),
  uint16: (view, at, value, le) => view.setUint16(at, value, le),
  int16: (view, at, value, le) => view.setInt16(at, value, le),
  uint32: (view, at, value, le) => view.setUint32(at, value, le),
  int32: (view, at, value, le) => view.setInt32(at, value, le),
  uint64: (view, at, value, le) => view.setBigUint64(at, BigInt(value), le),
  int64: (view, at, value, le) => view.setBigInt64(at, BigInt(value), le),
  float32: (view, at, value, le) => view.setFloat32(at, value, le),
  float64: (view, at, value, le) => view.setFloat64(at, value, le),
};

Deno.test("readNifti() reads every scalar type in both byte orders and both versions, scaled or not, packed or not", () =>
  withFolder(async (folder) => {
    const datatypes = Object.entries(NIFTI_DATATYPES) as [NiftiDatatype, { code: number; bytes: number }][];
    for (const [datatype, { code, bytes }] of datatypes) {
      const signed = !datatype.startsWith("uint");
      const stored = Array.from({ length: 24 }, (_, i) => (signed ? i * 5 - 60 : i * 10));
      for (const littleEndian of [true, false]) {
        const voxels = new DataView(new ArrayBuffer(24 * bytes));
        stored.forEach((value, i) => SETTERS[datatype](voxels, i * bytes, value, littleEndian));
        const version = littleEndian === signed ? 1 : 2;
        const [slope, intercept] = littleEndian ? [0, 7] : [0.25, -3];
        const fields = { version, littleEndian, datatype: code, slope, intercept } as const;
        const file = niftiBytes(fields, new Uint8Array(voxels.buffer));
        const path = `${folder}/${datatype}${littleEndian}.${littleEndian ? "nii" : "nii.gz"}`;
        await Deno.writeFile(path, littleEndian ? file : gzipSync(file));
        const volume = await readNifti(path);
        const wanted = stored.map((value) => (littleEndian ? value : 0.25 * value - 3));
        assert.deepEqual(volume.shape, [4, 3, 2]);
        assertAllClose(volume.data, wanted, EXACT, `${datatype} little-endian ${littleEndian}`);
      }
    }
  }));

const HALF = Math.SQRT1_2;
const GEOMETRIES: Record<string, NiftiFields> = {
  "sform wins": {
    sformCode: 1,
    sform: [0, 0, 2, 5, -1.5, 0, 0, 6, 0, 3, 0, 7],
    qformCode: 1,
    pixdim: [1, 1.5, 3, 2],
  },
  "qform when the sform code is 0": {
    qformCode: 1,
    quaternion: [HALF * 0.5, 0.3, -0.2, 10, -20, 30],
    pixdim: [-1, 0.5, 1.5, 2.5, 0, 0, 0, 0],
    sform: [9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
  },
  "a half turn, where the vector part has length 1": {
    qformCode: 1,
    quaternion: [0.6, 0.8, 0, 1, 2, 3],
    pixdim: [1, 1, 2, 3, 0, 0, 0, 0],
  },
  "pixdim when both are 0": { pixdim: [-1, 1.5, 2.5, 3.5, 0, 0, 0, 0], quaternion: [1, 0, 0, 4, 5, 6] },
};

for (const [name, fields] of Object.entries(GEOMETRIES)) {
  Deno.test(`readNifti() takes the affine of an independent reader: ${name}`, () =>
    withFolder(async (folder) => {
      for (const version of [1, 2] as const) {
        const pixdim = [...fields.pixdim!, 0, 0, 0, 0].slice(0, 8);
        const file = niftiBytes(
          { ...fields, pixdim, version, littleEndian: version === 1 },
          floatVoxels(new Float32Array(24)),
        );
        const path = `${folder}/v${version}.nii`;
        await Deno.writeFile(path, file);
        const volume = await readNifti(path);
        const header = nifti.readHeader(file.buffer as ArrayBuffer);
        const peer = (fields.sformCode ? header!.affine : fields.qformCode ? header!.getQformMat() : [
          [pixdim[1], 0, 0, 0],
          [0, pixdim[2], 0, 0],
          [0, 0, pixdim[3], 0],
          [0, 0, 0, 1],
        ]) as number[][];
        assertAllClose(volume.affine, peer.flat(), { atol: 1e-6, rtol: 1e-6 }, name);
        assertAllClose(volume.origin, [peer[0][3], peer[1][3], peer[2][3]], { atol: 1e-6, rtol: 1e-6 });
        const steps = [0, 1, 2].map((column) =>
          Math.hypot(peer[0][column], peer[1][column], peer[2][column])
        );
        assertAllClose(volume.spacing, [steps[2], steps[1], steps[0]], { atol: 1e-6, rtol: 1e-6 });
      }
    }));
}

Deno.test("readNifti() reads metres and micrometres as mm", () =>
  withFolder(async (folder) => {
    for (const [units, factor] of [[1, 1000], [3, 0.001], [0, 1], [2 + 8, 1]] as const) {
      await Deno.writeFile(
        `${folder}/a.nii`,
        niftiBytes({ units, pixdim: [1, 2, 3, 4, 0, 0, 0, 0] }, floatVoxels(new Float32Array(24))),
      );
      assertAllClose((await readNifti(`${folder}/a.nii`)).spacing, [4 * factor, 3 * factor, 2 * factor], {
        atol: 0,
        rtol: 1e-12,
      });
    }
  }));

Deno.test("readNifti() follows the content, not the name: gzip under .nii, several gzip members, trailing sizes of 1", () =>
  withFolder(async (folder) => {
    const values = Float32Array.from({ length: 24 }, (_, i) => i / 7);
    const file = niftiBytes({ dim: [5, 2, 3, 4, 1, 1, 0, 0] }, floatVoxels(values));
    const members = [gzipSync(file.subarray(0, 400)), gzipSync(file.subarray(400))];
    const variants: Record<string, Uint8Array[]> = {
      "plain.nii": [file, new Uint8Array(100)],
      "packed.nii": [gzipSync(file)],
      "members.nii.gz": members,
      "plain-named.nii.gz": [file],
    };
    for (const [name, parts] of Object.entries(variants)) {
      await Deno.writeFile(
        `${folder}/${name}`,
        new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer()),
      );
      const volume = await readNifti(`${folder}/${name}`);
      assert.deepEqual(volume.shape, [4, 3, 2]);
      assertAllClose(volume.data, values, EXACT, name);
    }
    assert.equal((await readNiftiHeader(`${folder}/packed.nii`)).gzip, true);
  }));

/** A grid with oblique axes of unequal steps. */
function obliqueVolume(): Volume {
  const cos = Math.cos(0.4), sin = Math.sin(0.4);
  const affine = [-1.5 * cos, -2 * sin, 0, 30, -1.5 * sin, 2 * cos, 0, -40, 0, 0, 3, 50, 0, 0, 0, 1];
  return makeVolume(Float32Array.from({ length: 60 }, (_, i) => i * 1.25 - 20), [3, 4, 5], affine);
}

Deno.test("writeNifti() then readNifti() gives back voxels and place, in every type, packed or not, version 1 and 2", () =>
  withFolder(async (folder) => {
    const volume = obliqueVolume();
    for (const dtype of Object.keys(NIFTI_DATATYPES) as NiftiDatatype[]) {
      for (const version of [1, 2] as const) {
        const path = `${folder}/${dtype}${version}.nii${version === 1 ? ".gz" : ""}`;
        await writeNifti(path, volume, { dtype, version, slope: 1.25, intercept: -20, description: "test" });
        const again = await readNifti(path);
        assertAllClose(again.data, volume.data, EXACT, dtype);
        assertAllClose(again.affine, volume.affine, { atol: 1e-6, rtol: 1e-6 });
        const header = await readNiftiHeader(path);
        assert.equal(header.description, "test");
        assert.equal(header.datatype, dtype);
        assert.ok(header.qformCode > 0 && header.sformCode > 0);
        const fromQform = { ...header, sformCode: 0 };
        const { geometryAffine } = await import("../../data/formats/nifti/geometry.ts");
        assertAllClose(geometryAffine(fromQform), volume.affine, { atol: 1e-5, rtol: 1e-5 }, "qform");
      }
    }
    assert.deepEqual([...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".tmp")), []);
  }));

Deno.test("geometryOfAffine() gives the quaternion of any rotation and refuses to put shear into a quaternion", async () => {
  const { geometryAffine, geometryOfAffine, rotationOfQuaternion } = await import(
    "../../data/formats/nifti/geometry.ts"
  );
  const { hashRandom } = await import("../../data/random.ts");
  for (let i = 0; i < 200; i++) {
    const random = hashRandom(5, i);
    const q = [random.normal(), random.normal(), random.normal(), random.normal()];
    if (i % 5 === 0) q[0] = 0;
    const norm = Math.hypot(...q) * Math.sign(q[0] || 1);
    const r = rotationOfQuaternion(q[1] / norm, q[2] / norm, q[3] / norm);
    const steps = [0.5, 2, i % 2 ? 3 : -3];
    const affine = [0, 1, 2].flatMap((row) => [...[0, 1, 2].map((c) => r[3 * row + c] * steps[c]), row * 10])
      .concat(0, 0, 0, 1);
    const geometry = geometryOfAffine(affine, 2);
    assert.equal(geometry.qformCode, 2);
    assertAllClose(
      geometryAffine({ ...geometry, sformCode: 0 }),
      affine,
      { atol: 1e-6, rtol: 1e-6 },
      `rotation ${i}`,
    );
  }
  const sheared = geometryOfAffine([1, 0.2, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], 1);
  assert.equal(sheared.qformCode, 0);
  assert.equal(sheared.sformCode, 2);
});

Deno.test("writeNifti() refuses values that do not fit the type and leaves no file", () =>
  withFolder(async (folder) => {
    const path = `${folder}/a.nii`;
    const bad: [NiftiDatatype, number][] = [
      ["uint8", 256],
      ["int16", -32769],
      ["uint32", -1],
      ["int64", NaN],
      ["uint64", 2 ** 64],
    ];
    for (const [dtype, value] of bad) {
      const volume = makeVolume(Float32Array.of(0, value), [1, 1, 2], obliqueVolume().affine);
      await assert.rejects(writeNifti(path, volume, { dtype }), /Cannot write .*a number that fits/);
    }
    await assert.rejects(
      writeNifti(`${folder}/no/such/a.nii`, obliqueVolume()),
      /Cannot write .*no such file or folder/,
    );
    assert.equal([...Deno.readDirSync(folder)].length, 0);
  }));
