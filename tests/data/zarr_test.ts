import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { DataError } from "../../data/errors.ts";
import { hashRandom, type Rng } from "../../data/random.ts";
import { type Dims3, voxelCount } from "../../data/volume.ts";
import { crc32c } from "../../data/zarr/crc32c.ts";
import { type ArrayType, type Compression, writeZarrArray, ZarrArray } from "../../data/zarr/mod.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { assertAllClose } from "../support/tolerance.ts";
import { FileSystemStore, get, open, root } from "./deps.ts";

const EXACT = { atol: 0, rtol: 0 };
const TYPES = ["float16", "float32", "int8", "int16"] as const;
const KINDS = ["none", "zstd"] as const;

/** Smooth values with noise and a region of zeros, or labels from -1 on, and what storing them as `dtype` makes of them. */
function sampleArray(
  shape: Dims3,
  dtype: ArrayType,
  random: Rng,
): { data: Float32Array; rounded: Float32Array } {
  const data = Float32Array.from({ length: voxelCount(shape) }, (_, i) => {
    const x = i % shape[2];
    if (x >= 64 && x < 140) return 0;
    if (dtype === "int8" || dtype === "int16") return random.int(-1, dtype === "int8" ? 5 : 1000);
    return Math.sin(x / 7) + 0.1 * random.normal();
  });
  return { data, rounded: dtype === "float16" ? Float32Array.from(new Float16Array(data)) : data };
}

function box(data: Float32Array, shape: Dims3, start: Dims3, size: Dims3, outside = 0): Float32Array {
  const wanted = new Float32Array(voxelCount(size)).fill(outside);
  for (let i = 0; i < wanted.length; i++) {
    const x = i % size[2] + start[2], y = Math.floor(i / size[2]) % size[1] + start[1];
    const z = Math.floor(i / size[2] / size[1]) + start[0];
    const inside = z >= 0 && y >= 0 && x >= 0 && z < shape[0] && y < shape[1] && x < shape[2];
    if (inside) wanted[i] = data[(z * shape[1] + y) * shape[2] + x];
  }
  return wanted;
}

async function forEachKind(
  folder: string,
  use: (path: string, dtype: ArrayType, compression: Compression) => Promise<void>,
): Promise<void> {
  for (const dtype of TYPES) {
    for (const compression of KINDS) await use(`${folder}/${dtype}-${compression}.zarr`, dtype, compression);
  }
}

Deno.test("crc32c() gives the check value and the vectors of RFC 3720", () => {
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
});

Deno.test("ZarrArray reads back any box, with zeros or another value outside, in every type and kind", () =>
  withFolder((folder) => {
    const shape: Dims3 = [7, 70, 150], random = hashRandom(4);
    return forEachKind(folder, async (path, dtype, compression) => {
      const { data, rounded } = sampleArray(shape, dtype, random);
      const stored = await writeZarrArray(path, data, shape, {
        dtype,
        compression,
        attributes: { spacing: [1, 2, 3] },
      });
      using array = ZarrArray.open(path);
      assert.deepEqual([array.shape, array.dtype, array.compression], [shape, dtype, compression]);
      assert.deepEqual(array.attributes, { spacing: [1, 2, 3] });
      assert.deepEqual(array.stored, stored);
      const bytes = await Deno.readFile(`${path}/c/0/0/0`);
      assert.equal(stored.bytes, bytes.length);
      assert.equal(stored.sha256, createHash("sha256").update(bytes).digest("hex"));
      for (let trial = 0; trial < 30; trial++) {
        const start = shape.map((size) => random.int(-size - 1, size + 1)) as unknown as Dims3;
        const size = shape.map((side) => random.int(1, trial < 5 ? 2 * side : side)) as unknown as Dims3;
        const wanted = box(rounded, shape, start, size);
        assertAllClose(array.readBox(start, size), wanted, EXACT, `${path}: box at ${start} of ${size}`);
        const filled = box(rounded, shape, start, size, -1);
        assertAllClose(array.readBox(start, size, -1), filled, EXACT, `${path}: -1 around ${start}`);
      }
      assertAllClose(array.readBox([0, 0, 0], shape), rounded, EXACT);
      array.close();
      assert.throws(() => array.readBox([0, 0, 0], [1, 1, 1]), /the array was closed/);
      await writeZarrArray(path, data.subarray(0, 8), [2, 2, 2], { dtype, compression });
      using again = ZarrArray.open(path);
      assert.deepEqual(again.shape, [2, 2, 2]);
      assertAllClose(again.readBox([0, 0, 0], [2, 2, 2]), rounded.subarray(0, 8), EXACT);
    });
  }));

Deno.test("writeZarrArray() writes arrays that zarrita opens with equal values, bit for bit", () =>
  withFolder((folder) => {
    const shape: Dims3 = [65, 20, 130], random = hashRandom(5);
    return forEachKind(folder, async (path, dtype, compression) => {
      const { data } = sampleArray(shape, dtype, random);
      if (dtype !== "int8" && dtype !== "int16") data.set([-0, 65504, 2 ** -24, 6e-8, -(2 ** -14)]);
      await writeZarrArray(path, data, shape, { dtype, compression, attributes: { subject: "s" } });
      const array = await open(root(new FileSystemStore(path)), { kind: "array" });
      assert.deepEqual([array.shape, array.dtype, array.attrs.subject], [[...shape], dtype, "s"]);
      const read = (await get(array)).data as Float32Array | Float16Array | Int8Array | Int16Array;
      const typed = dtype === "float32"
        ? data
        : dtype === "int8"
        ? Int8Array.from(data)
        : dtype === "int16"
        ? Int16Array.from(data)
        : new Float16Array(data);
      const bits = (values: typeof typed) =>
        new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      assert.equal(read.constructor.name, typed.constructor.name);
      assert.equal(Buffer.compare(bits(read as typeof typed), bits(typed)), 0, path);
    });
  }));

Deno.test("a shard leaves chunks of zeros out, is smaller, and comes out the same twice", () =>
  withFolder(async (folder) => {
    const shape: Dims3 = [64, 64, 256], random = hashRandom(6);
    const { data } = sampleArray(shape, "float16", random);
    const write = (name: string, compression: Compression) =>
      writeZarrArray(`${folder}/${name}.zarr`, data, shape, { dtype: "float16", compression });
    const plain = await write("plain", "none"), packed = await write("packed", "zstd");
    assert.ok(packed.bytes < 0.7 * plain.bytes, `${packed.bytes} of ${plain.bytes}`);
    assert.deepEqual(await write("again", "zstd"), packed);
    const shard = await Deno.readFile(`${folder}/packed.zarr/c/0/0/0`);
    const entry = new DataView(shard.buffer, shard.length - 4 * 16 - 4); // x = 64 to 127 is zero
    assert.equal(entry.getBigUint64(16, true), 2n ** 64n - 1n);
    assert.equal(entry.getBigUint64(0, true), 0n);
    const empty = await writeZarrArray(`${folder}/empty.zarr`, new Int8Array(8), [2, 2, 2], {
      dtype: "int8",
      compression: "zstd",
    });
    assert.equal(empty.bytes, 20);
    using array = ZarrArray.open(`${folder}/empty.zarr`);
    assertAllClose(array.readBox([0, 0, 0], [2, 2, 2]), new Float32Array(8), EXACT);
  }));

Deno.test("a box of a shard needs only the inner chunks that it meets", () =>
  withFolder(async (folder) => {
    const path = `${folder}/a.zarr`, shape: Dims3 = [130, 130, 150], random = hashRandom(8);
    const { data, rounded } = sampleArray(shape, "float16", random);
    await writeZarrArray(path, data, shape, { dtype: "float16", compression: "zstd" });
    const file = `${path}/c/0/0/0`;
    const bytes = await Deno.readFile(file);
    const index = new DataView(bytes.buffer, bytes.length - 27 * 16 - 4);
    for (let chunk = 0; chunk < 26; chunk++) { // ruins all but the last
      const offset = Number(index.getBigUint64(16 * chunk, true));
      if (offset < bytes.length) {
        bytes.fill(0xab, offset, offset + Number(index.getBigUint64(16 * chunk + 8, true)));
      }
    }
    await Deno.writeFile(file, bytes);
    using array = ZarrArray.open(path);
    const wanted = box(rounded, shape, [128, 128, 128], [9, 9, 30]);
    assertAllClose(array.readBox([128, 128, 128], [9, 9, 30]), wanted, EXACT);
    assert.throws(
      () => array.readBox([127, 128, 128], [9, 9, 30]),
      /Cannot read .*c\/0\/0\/0: found inner chunk 17 damaged, wanted zstd data .*: remove the array/,
    );
  }));

Deno.test("ZarrArray.open() refuses missing, damaged, shortened and foreign arrays", () =>
  withFolder(async (folder) => {
    const path = `${folder}/a.zarr`, cube: Dims3 = [2, 2, 2];
    assert.throws(() => ZarrArray.open(path), /Cannot read .*zarr.json: found no such file/);
    await writeZarrArray(path, new Float32Array(8), cube, { dtype: "float32" });
    await Deno.truncate(`${path}/c/0/0/0`, 30);
    const refused = /found 30 bytes, wanted 32 bytes: remove the array and prepare it again/;
    assert.throws(() => ZarrArray.open(path), refused);
    const foreign = async (changes: readonly (readonly [string, string])[]) => {
      const json = await Deno.readTextFile(`${path}/zarr.json`);
      for (const [from, to] of changes) {
        assert.ok(json.includes(from), from);
        await Deno.writeTextFile(`${path}/zarr.json`, json.replace(from, to));
        assert.throws(() => ZarrArray.open(path), /found another kind of array/, from);
      }
    };
    const common = [['"zarr_format": 3', '"zarr_format": 2'], ["float32", "uint8"], [
      "little",
      "big",
    ]] as const;
    await foreign([...common, ["bytes", "gzip"]]);
    await Deno.writeTextFile(`${path}/zarr.json`, "{");
    assert.throws(() => ZarrArray.open(path), /found damaged JSON/);

    await writeZarrArray(path, new Float32Array(8).fill(3), cube, { dtype: "float32", compression: "zstd" });
    const shard = await Deno.readFile(`${path}/c/0/0/0`);
    shard[shard.length - 6] ^= 1;
    await Deno.writeFile(`${path}/c/0/0/0`, shard);
    assert.throws(() => ZarrArray.open(path), /found a damaged index at its end, wanted one with the right/);
    await Deno.truncate(`${path}/c/0/0/0`, 10);
    assert.throws(() => ZarrArray.open(path), /found 10 bytes, wanted at least 20 bytes/);
    await foreign([...common, ['"zstd"', '"gzip"'], ["crc32c", "none"], ['"end"', '"start"']]);
  }));

Deno.test("ZarrArray refuses mutated arrays or reads what was written, never anything else", () =>
  withFolder(async (folder) => {
    const path = `${folder}/a.zarr`, shape: Dims3 = [5, 66, 70], random = hashRandom(12);
    const { data, rounded } = sampleArray(shape, "float16", random);
    await writeZarrArray(path, data, shape, { dtype: "float16", compression: "zstd" });
    let refused = 0;
    for (const name of ["c/0/0/0", "zarr.json"]) {
      const good = await Deno.readFile(`${path}/${name}`);
      for (let trial = 0; trial < 600; trial++) {
        const bytes = good.slice(0, trial % 5 === 0 ? random.int(0, good.length) : good.length);
        for (let change = random.int(1, 3); change > 0 && bytes.length > 0; change--) {
          bytes[random.int(0, bytes.length - 1)] = name === "zarr.json"
            ? random.int(32, 126)
            : random.int(0, 255);
        }
        await Deno.writeFile(`${path}/${name}`, bytes);
        try {
          using array = ZarrArray.open(path);
          const read = array.readBox([0, 0, 0], shape);
          assertAllClose(read, rounded, EXACT, `${name}, trial ${trial}`);
        } catch (error) {
          assert.ok(error instanceof DataError, `${name}, trial ${trial}: ${error}`);
          refused++;
        }
      }
      await Deno.writeFile(`${path}/${name}`, good);
    }
    assert.ok(refused > 800, `${refused} of 1200`);
  }));

Deno.test("writeZarrArray() refuses wrong lengths and labels that do not fit, and leaves nothing behind", () =>
  withFolder(async (folder) => {
    const path = `${folder}/b.zarr`;
    const write = (data: Float32Array | Int32Array | Int16Array) =>
      writeZarrArray(path, data, [2, 2, 2], { dtype: "int8" });
    await assert.rejects(write(new Float32Array(7)), /does not hold 7 values/);
    await assert.rejects(
      write(Int32Array.of(0, 1, 2, 3, 4, 1035, 6, 7)),
      /Cannot store .*b\.zarr: found label 1035 at voxel 5, wanted whole labels from -128 to 127: renumber/,
    );
    await assert.rejects(write(new Float32Array(8).fill(0.5)), /found label 0\.5 at voxel 0/);
    await assert.rejects(write(new Int16Array(8).fill(-129)), /found label -129 at voxel 0/);
    await assert.rejects(
      writeZarrArray(path, Int32Array.of(0, 40000), [1, 1, 2], { dtype: "int16" }),
      /found label 40000 at voxel 1, wanted whole labels from -32768 to 32767: renumber/,
    );
    await Deno.writeTextFile(path, "in the way");
    await assert.rejects(
      writeZarrArray(`${path}/c.zarr`, new Float32Array(8), [2, 2, 2], { dtype: "float32" }),
      /Cannot write .*c\.zarr: found a file where a folder is needed/,
    );
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["b.zarr"]);
  }));
