import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { readImage, readImageHeader } from "../../data/formats/mod.ts";
import { floatVoxels, niftiBytes, withFolder } from "../support/nifti_bytes.ts";
import { sharedDataTest } from "../support/shared_data.ts";
import { assertAllClose } from "../support/tolerance.ts";

const EXACT = { atol: 0, rtol: 0 };

Deno.test("readImageHeader() describes a 4-D file and readImage() takes one of its volumes, packed or not", () =>
  withFolder(async (folder) => {
    const values = Float32Array.from({ length: 5 * 24 }, (_, i) => Math.sin(i) * 100);
    const file = niftiBytes({ dim: [4, 2, 3, 4, 5, 1, 1, 1] }, floatVoxels(values));
    await Deno.writeFile(`${folder}/a.nii`, file);
    await Deno.writeFile(`${folder}/a.nii.gz`, gzipSync(file));
    for (const path of [`${folder}/a.nii`, `${folder}/a.nii.gz`]) {
      const header = await readImageHeader(path);
      const { size: fileBytes } = await Deno.stat(path);
      assert.deepEqual(header, {
        format: "nifti",
        shape: [4, 3, 2],
        spacing: [1, 1, 1],
        affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
        volumes: 5,
        datatype: "float32",
        fileBytes,
        contentBytes: 352 + 4 * 120,
        warnings: [],
      });
      for (const volume of [0, 2, 4]) {
        const read = await readImage(path, { volume, maxBytes: 96 });
        assertAllClose(read.data, values.subarray(24 * volume, 24 * volume + 24), EXACT, `volume ${volume}`);
      }
      await assert.rejects(
        readImage(path),
        /found shape 2x3x4x5, wanted a 3-D image .*choose one of its vol/,
      );
      await assert.rejects(
        readImage(path, { volume: 5 }),
        /found shape 2x3x4x5, wanted a file with a volume 5/,
      );
      await assert.rejects(readImage(path, { volume: 0.5 }), /wanted a file with a volume 0\.5/);
      await assert.rejects(readImageHeader(path, { maxBytes: 95 }), /96 in memory, wanted at most 95 bytes/);
    }
    await Deno.writeFile(`${folder}/short.nii`, file.subarray(0, file.length - 1));
    await assert.rejects(readImage(`${folder}/short.nii`, { volume: 0 }), /wanted 831 bytes of file/);
  }));

Deno.test("maxBytes counts voxels as float32, so that bytes do not grow fourfold past it", () =>
  withFolder(async (folder) => {
    const path = `${folder}/a.nii`;
    await Deno.writeFile(path, niftiBytes({ datatype: 2, bits: 8 }, new Uint8Array(24).fill(3)));
    await assert.rejects(readImage(path, { maxBytes: 95 }), /promises 376 bytes .*, 96 in memory, wanted at/);
    assert.equal((await readImage(path, { maxBytes: 96 })).data.length, 24);
  }));

Deno.test("readImageHeader() finds the header behind a long gzip comment and in a file of many gzip members", () =>
  withFolder(async (folder) => {
    const file = niftiBytes({}, floatVoxels(Float32Array.from({ length: 24 }, (_, i) => i)));
    const packed = gzipSync(file);
    const named = new Uint8Array(packed.length + 5000);
    named.set(packed.subarray(0, 10));
    named[3] |= 8; // FNAME: a name that ends with a zero byte follows the ten bytes (RFC 1952)
    named.fill(65, 10, 5009);
    named.set(packed.subarray(10), 5010);
    const members = Array.from({ length: 8 }, (_, i) => gzipSync(file.subarray(56 * i, 56 * i + 56)));
    await Deno.writeFile(`${folder}/named.nii.gz`, named);
    await Deno.writeFile(
      `${folder}/members.nii.gz`,
      new Uint8Array(await new Blob(members as BlobPart[]).arrayBuffer()),
    );
    for (const name of ["named.nii.gz", "members.nii.gz"]) {
      assert.deepEqual((await readImageHeader(`${folder}/${name}`)).shape, [4, 3, 2]);
      assert.equal((await readImage(`${folder}/${name}`)).data[23], 23);
    }
  }));

Deno.test("readImageHeader() states shear and a spacing that contradicts the matrix", () =>
  withFolder(async (folder) => {
    const path = `${folder}/a.nii`;
    const sform = [2, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0];
    await Deno.writeFile(
      path,
      niftiBytes({ sformCode: 1, sform, pixdim: [1, 2, 1, 1, 0, 0, 0, 0] }, new Uint8Array(96)),
    );
    const { warnings, spacing } = await readImageHeader(path);
    assertAllClose(spacing, [Math.SQRT2, 1, 2], { atol: 1e-12, rtol: 0 });
    assert.deepEqual(warnings, [
      "sheared grid: y and z meet at 45.0 degrees instead of 90; voxels are used as if they were boxes",
      "spacing 2 x 1 x 1 mm in the header against 2 x 1 x 1.414 mm in its matrix; the matrix counts",
    ]);
  }));

sharedDataTest(
  "readImageHeader() reports the shear of a tilted CT, and nothing about ordinary heads",
  async (shared) => {
    const ct = await readImageHeader(`${shared}/odd/ct-sheared-sform-scl.nii.gz`);
    assert.deepEqual(ct.warnings, [
      "sheared grid: y and z meet at 71.5 degrees instead of 90; voxels are used as if they were boxes",
    ]);
    assert.deepEqual([ct.datatype, ct.volumes, ct.shape], ["uint8", 1, [54, 422, 306]]);
    const head = await readImageHeader(`${shared}/bids/sub-02/anat/sub-02_T1w.nii.gz`);
    assert.deepEqual(head.warnings, []);
    await assert.rejects(
      readImageHeader(`${shared}/odd/vector-4d.nii.gz`),
      /vector-4d\.nii\.gz: found shape 84x92x56x3, vector-valued \(intent 2003, RGB vector\), wanted a 3-D image/,
    );
  },
);

Deno.test("readImageHeader() does not open a pipe, which would wait for a writer", () =>
  withFolder(async (folder) => {
    const { success } = await new Deno.Command("mkfifo", { args: [`${folder}/a.nii`] }).output();
    if (!success) return;
    await assert.rejects(readImageHeader(`${folder}/a.nii`), /found something that is not a regular file/);
  }));
