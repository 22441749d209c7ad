import assert from "node:assert/strict";
import { DataError } from "../../data/errors.ts";
import {
  decodeSafetensors,
  encodeSafetensors,
  SafetensorsError,
  type SafetensorsTensor,
} from "../../data/safetensors.ts";
import { readSafetensors, readSafetensorsHeader, writeSafetensors } from "../../data/safetensors_file.ts";

const tensors = new Map<string, SafetensorsTensor>([
  ["u8", { dtype: "U8", shape: [3], data: new Uint8Array([1, 2, 255]) }],
  ["10", { dtype: "F32", shape: [2, 2], data: new Float32Array([1.5, -2, Infinity, -0]) }],
  ["9", { dtype: "F32", shape: [], data: new Float32Array([7]) }],
  ["i64", { dtype: "I64", shape: [2], data: new BigInt64Array([-(2n ** 63n), 2n ** 63n - 1n]) }],
  ["f16", { dtype: "F16", shape: [3], data: new Float16Array([0.5, 65504, -1]) }],
  ["bf16", { dtype: "BF16", shape: [1], data: new Uint16Array([0x3f80]) }],
  ["f64", { dtype: "F64", shape: [1, 1], data: new Float64Array([Math.PI]) }],
  ["i32", { dtype: "I32", shape: [2], data: new Int32Array([-1, 2 ** 31 - 1]) }],
  ["u32", { dtype: "U32", shape: [1], data: new Uint32Array([2 ** 32 - 1]) }],
  ["none", { dtype: "F32", shape: [0, 4], data: new Float32Array(0) }],
]);

function assertSameTensors(found: ReadonlyMap<string, SafetensorsTensor>): void {
  assert.deepEqual([...found.keys()].sort(), [...tensors.keys()].sort());
  for (const [name, { dtype, shape, data }] of tensors) {
    const other = found.get(name)!;
    assert.equal(other.dtype, dtype, name);
    assert.deepEqual([...other.shape], [...shape], name);
    assert.equal(other.data.constructor, data.constructor, name);
    assert.equal(other.data.length, data.length, name);
    for (let i = 0; i < data.length; i++) assert.ok(Object.is(other.data[i], data[i]), `${name}[${i}]`);
  }
}

/** A file with a hand-written header. */
function file(header: unknown, dataBytes: number): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

Deno.test("encodeSafetensors() and decodeSafetensors() are inverse for every dtype", () => {
  const { tensors: found, metadata } = decodeSafetensors(
    encodeSafetensors(tensors, { format: "pt", "ä": "ö" }),
  );
  assertSameTensors(found);
  assert.deepEqual(metadata, { format: "pt", "ä": "ö" });
});

Deno.test("encodeSafetensors() gives the same bytes whatever the order of names", () => {
  const a = encodeSafetensors(tensors, { a: "1", b: "2" });
  const b = encodeSafetensors(new Map([...tensors].reverse()), { b: "2", a: "1" });
  assert.equal(a.length, b.length);
  for (let i = 0; i < a.length; i++) assert.equal(a[i], b[i], `byte ${i}`);
});

Deno.test("encodeSafetensors() aligns every tensor to its element size", () => {
  const bytes = encodeSafetensors(tensors);
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  assert.equal(length % 8, 0);
  for (const { data } of decodeSafetensors(bytes).tensors.values()) {
    if (data.length > 0) assert.equal(data.buffer, bytes.buffer, "a view, not a copy");
  }
});

Deno.test("decodeSafetensors() copies tensors that are not aligned", () => {
  const header = {
    b: { dtype: "U8", shape: [1], data_offsets: [0, 1] },
    f: { dtype: "F32", shape: [1], data_offsets: [1, 5] },
  };
  const bytes = file(header, 5);
  new DataView(bytes.buffer).setFloat32(bytes.length - 4, 2.5, true);
  assert.equal(decodeSafetensors(bytes).tensors.get("f")!.data[0], 2.5);
});

Deno.test("decodeSafetensors() says what is wrong with a damaged file", () => {
  const f32 = (begin: number, end: number, shape = [(end - begin) / 4]) => ({
    dtype: "F32",
    shape,
    data_offsets: [begin, end],
  });
  const cases: [string, Uint8Array<ArrayBuffer>, RegExp][] = [
    ["empty", new Uint8Array(0), /found 0 bytes, wanted at least 8/],
    ["length", new Uint8Array(8).fill(255), /header claims 18446744073709552000 bytes, the file has 8/],
    ["no JSON", file("{oops", 0), /header is no JSON: /],
    ["array", file([], 0), /header is no JSON object/],
    ["metadata", file({ __metadata__: { a: 1 } }, 0), /__metadata__ must map names to text/],
    ["dtype", file({ a: { dtype: "F8", shape: [], data_offsets: [0, 1] } }, 1), /tensor "a" has dtype "F8"/],
    ["null", file({ a: null }, 0), /tensor "a" has dtype undefined/],
    ["shape", file({ a: f32(0, 4, [-1]) }, 4), /tensor "a" has shape \[-1\]/],
    ["offsets", file({ a: { dtype: "F32", shape: [1], data_offsets: [0] } }, 4), /wanted \[begin, end\]/],
    ["size", file({ a: f32(0, 8, [3]) }, 8), /spans 8 bytes, shape \[3\] as F32 needs 12/],
    ["hole", file({ a: f32(0, 4), b: f32(8, 12) }, 12), /4 bytes before tensor "b" belong to no tensor/],
    [
      "overlap",
      file({ a: f32(0, 8), b: f32(4, 12) }, 12),
      /tensor "b" starts at 4, inside the tensor that ends at 8/,
    ],
    ["truncated", file({ a: f32(0, 8) }, 7), /tensors need 8 bytes, found 7: the file is truncated/],
    ["surplus", file({ a: f32(0, 8) }, 9), /1 bytes after the last tensor belong to no tensor/],
  ];
  for (const [label, bytes, message] of cases) {
    assert.throws(() => decodeSafetensors(bytes, "x.safetensors"), (error) => {
      assert.ok(error instanceof SafetensorsError, label);
      assert.match(error.message, /^Cannot read x\.safetensors: /, label);
      assert.match(error.message, message, label);
      return true;
    });
  }
});

Deno.test("encodeSafetensors() refuses data that does not match", () => {
  const encode = (tensor: SafetensorsTensor, name = "w") => encodeSafetensors(new Map([[name, tensor]]));
  assert.throws(
    () => encode({ dtype: "F32", shape: [3], data: new Float32Array(2) }),
    /tensor "w" to memory: found Float32Array of 2, wanted Float32Array of 3/,
  );
  assert.throws(
    () => encode({ dtype: "F16", shape: [2], data: new Uint16Array(2) }),
    /wanted Float16Array of 2/,
  );
  assert.throws(
    () => encode({ dtype: "U8", shape: [1], data: new Uint8Array(1) }, "__metadata__"),
    /reserved/,
  );
});

Deno.test("writeSafetensors() streams lazily produced tensors and leaves no temporary file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/a.safetensors`;
    let alive = 0, most = 0;
    const lazy = [...tensors].map(([name, t]) =>
      [name, {
        ...t,
        data: async () => {
          most = Math.max(most, ++alive);
          await Promise.resolve();
          alive--;
          return t.data;
        },
      }] as const
    );
    await writeSafetensors(path, new Map(lazy), { step: "3" });
    assert.equal(most, 1);
    const bytes = await Deno.readFile(path), memory = encodeSafetensors(tensors, { step: "3" });
    assert.equal(bytes.length, memory.length);
    for (let i = 0; i < bytes.length; i++) assert.equal(bytes[i], memory[i], `byte ${i}`);
    assertSameTensors((await readSafetensors(path)).tensors);
    const some = await readSafetensors(path, ["i64"]);
    assert.deepEqual([...some.tensors.keys()], ["i64"]);
    assert.equal((await readSafetensorsHeader(path)).metadata.step, "3");
    await assert.rejects(readSafetensors(path, ["absent"]), /the file holds 10 tensors, not this one/);
    await Deno.truncate(path, bytes.length - 1);
    await assert.rejects(readSafetensorsHeader(path), /the file is truncated/);
    assert.deepEqual([...Deno.readDirSync(folder)].map((entry) => entry.name), ["a.safetensors"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("writeSafetensors() keeps the old file when a tensor fails", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/a.safetensors`;
    await Deno.writeTextFile(path, "old");
    const broken = new Map([["w", { dtype: "F32" as const, shape: [2], data: () => new Float32Array(1) }]]);
    await assert.rejects(writeSafetensors(path, broken), /found Float32Array of 1, wanted Float32Array of 2/);
    const failing = () => Promise.reject(new RangeError("no values"));
    await assert.rejects(
      writeSafetensors(path, new Map([["w", { ...broken.get("w")!, data: failing }]])),
      RangeError,
    );
    assert.equal(await Deno.readTextFile(path), "old");
    assert.deepEqual([...Deno.readDirSync(folder)].map((entry) => entry.name), ["a.safetensors"]);
    await assert.rejects(writeSafetensors(`${folder}/no/a`, new Map()), (error) => {
      assert.match((error as Error).message, /Cannot write .*no\/a: found no such file or folder/);
      return error instanceof DataError;
    });
    await assert.rejects(readSafetensors(`${folder}/absent`), /Cannot read .*absent: found no such file/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
