import assert from "node:assert/strict";
import { DataError } from "../../../data/errors.ts";
import type { SafetensorsDType } from "../../../data/safetensors.ts";
import { openTorchFile } from "../../../data/torch/open_torch_file.ts";
import { torchToJson } from "../../../data/torch/torch_to_json.ts";
import {
  type TorchDict,
  TorchError,
  torchFloat,
  torchOrderedDict,
  type TorchReadOptions,
  type TorchTensor,
  torchTuple,
  type TorchValue,
  type TorchWritable,
  type TorchWritableTensor,
} from "../../../data/torch/types.ts";
import { writeTorchFile } from "../../../data/torch/write_torch_file.ts";
import { temporaryFolder } from "../../support/spawn.ts";
import {
  deflate,
  floats,
  openBytes,
  pickleBytes,
  tensorPickle,
  torchBytes,
  unicode,
  zipBytes,
} from "./archives.ts";

/** Asserts that bytes are refused in one line that says what. */
async function refused(bytes: Uint8Array, what: RegExp): Promise<void> {
  await assert.rejects(openBytes(bytes), (error: unknown) => {
    assert.ok(error instanceof TorchError, (error as Error).stack);
    assert.match(error.message, /^Cannot read file\.pth: [^\n]+$/);
    assert.match(error.message, what);
    return true;
  });
}

const eight = { "0": floats(0, 1, 2, 3, 4, 5, 6, 7) };

/** Values of a single tensor in the storage 0 to 7. */
async function view(
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
  options?: TorchReadOptions,
): Promise<number[]> {
  const bytes = torchBytes([tensorPickle({ elements: 8, offset, shape, strides })], eight);
  await using file = await openBytes(bytes, options);
  const tensor = await file.read(file.root as TorchTensor);
  assert.deepEqual([tensor.dtype, tensor.shape], ["F32", shape]);
  return [...tensor.data as Float32Array];
}

Deno.test("TorchFile.read() gives C order whatever the strides", async () => {
  assert.deepEqual(await view(2, [3], [1]), [2, 3, 4]);
  assert.deepEqual(await view(0, [2, 4], [1, 2]), [0, 2, 4, 6, 1, 3, 5, 7]);
  assert.deepEqual(await view(1, [2, 2], [4, 2]), [1, 3, 5, 7]);
  assert.deepEqual(await view(0, [2, 2, 2], [1, 2, 4]), [0, 4, 2, 6, 1, 5, 3, 7]);
  assert.deepEqual(await view(7, [2, 3], [0, 0]), [7, 7, 7, 7, 7, 7]);
  assert.deepEqual(await view(5, [1, 2, 1], [99, 1, 77]), [5, 6]);
  assert.deepEqual(await view(8, [0, 3], [3, 1]), []);
  assert.deepEqual(await view(3, [], []), [3]);
});

Deno.test("tensors beyond their storage are refused when the file is opened", async () => {
  for (
    const [offset, shape, strides] of [[1, [8], [1]], [9, [0], [1]], [0, [2, 2], [7, 1]], [0, [3], [
      4,
    ]]] as const
  ) {
    await refused(
      torchBytes([tensorPickle({ elements: 8, offset, shape, strides })], eight),
      /beyond its storage of 8/,
    );
  }
  const huge = [2 ** 30, 2 ** 30];
  await refused(
    torchBytes([tensorPickle({ elements: 8, shape: huge, strides: [0, 0] })], eight),
    /a tensor of shape/,
  );
  await refused(
    torchBytes([tensorPickle({ elements: 8, shape: [2], strides: [-1] })], eight),
    /are no numbers/,
  );
  await refused(
    torchBytes([tensorPickle({ elements: 8, shape: [2, 2], strides: [1] })], eight),
    /are no numbers/,
  );
  await refused(
    torchBytes([tensorPickle({ elements: 9, shape: [1], strides: [1] })], eight),
    /32 bytes, 9 elements of F32/,
  );
  await refused(
    torchBytes([tensorPickle({ elements: 8, key: "../0", shape: [1], strides: [1] })], eight),
    /no record/,
  );
});

Deno.test("views that repeat a few bytes into gigabytes are refused when they are read", async () => {
  await assert.rejects(view(0, [2 ** 30, 2], [0, 1]), /needs 8589934592 bytes, wanted at most 268435456/);
  await assert.rejects(view(0, [8], [1], { maxTensorBytes: 31 }), /needs 32 bytes, wanted at most 31/);
});

Deno.test("aliases are known by equal places, also where a parameter wraps them", async () => {
  const tensor = tensorPickle({ elements: 8, shape: [8], strides: [1] });
  const parameter = pickleBytes(
    "ctorch._utils\n_rebuild_parameter\n(",
    tensor,
    0x88,
    "ccollections\nOrderedDict\n)RtR",
  );
  const bytes = torchBytes(["}(", unicode("a"), tensor, unicode("b"), parameter, "u"], eight);
  await using file = await openBytes(bytes);
  const root = file.root as TorchDict;
  assert.deepEqual(root.get("a"), root.get("b"));
  assert.deepEqual(root.get("a"), {
    ...{
      kind: "tensor",
      dtype: "F32",
      shape: [8],
      strides: [1],
      offset: 0,
      storage: "0",
      storageElements: 8,
    },
  });
});

Deno.test("tensors of unread element types are opaque, the rest of the file is read", async () => {
  const body = [
    "(",
    tensorPickle({ type: "ComplexFloatStorage", elements: 4, shape: [4], strides: [1] }),
    "K",
    1,
    "l",
  ];
  await using file = await openBytes(torchBytes(body, eight));
  assert.deepEqual(file.root, [{ kind: "opaque", name: "torch.Tensor" }, 1]);
  assert.match(file.notes.join(), /"torch.ComplexFloatStorage" were left out/);
});

Deno.test("untyped storages take the type from their tensor", async () => {
  const body = pickleBytes(
    ...[
      "ctorch._utils\n_rebuild_tensor_v3\n((",
      unicode("storage"),
      "ctorch.storage\nUntypedStorage\n",
      unicode("0"),
    ],
    ...[unicode("cpu"), "K", 32, "tQK", 1, "(K", 2, "t(K", 1, "t", 0x89, "Nctorch\nuint16\n", "NtR"],
  );
  await using file = await openBytes(
    torchBytes([body], { "0": new Uint8Array(Uint16Array.from({ length: 16 }, (_, i) => i).buffer) }),
  );
  assert.deepEqual(await file.read(file.root as TorchTensor), {
    dtype: "U16",
    shape: [2],
    data: new Uint16Array([1, 2]),
  });
});

Deno.test("a damaged storage is refused when it is read, and only then", async () => {
  const bytes = torchBytes(
    ["(", tensorPickle({ elements: 8, shape: [8], strides: [1] }), "K", 5, "l"],
    eight,
  );
  const at = bytes.findIndex((_, i) => eight[0].every((byte, k) => bytes[i + k] === byte));
  bytes[at] ^= 1;
  await using file = await openBytes(bytes);
  const [tensor, five] = file.root as [TorchTensor, number];
  assert.equal(five, 5);
  await assert.rejects(file.read(tensor), /record "a\/data\/0" has checksum/);
});

Deno.test("deflated files are read", async () => {
  const content = pickleBytes(
    0x80,
    2,
    tensorPickle({ elements: 8, offset: 6, shape: [2], strides: [1] }),
    ".",
  );
  const records = { "a/data.pkl": content, "a/data/0": eight[0] };
  const entries = Object.entries(records).map(async ([name, content]) => ({
    name,
    content,
    deflated: await deflate(content),
  }));
  await using file = await openBytes(zipBytes(await Promise.all(entries)));
  assert.deepEqual([...(await file.read(file.root as TorchTensor)).data], [6, 7]);
});

Deno.test("what is no file of torch.save is refused by its name, with what to do", async () => {
  const text = (value: string) => new TextEncoder().encode(value);
  const old = Uint8Array.of(
    0x80,
    2,
    0x8a,
    10,
    0x6c,
    0xfc,
    0x9c,
    0x46,
    0xf9,
    0x20,
    0x6a,
    0xa8,
    0x50,
    0x19,
    0x2e,
  );
  await refused(old, /before 1\.6.*_use_new_zipfile_serialization=True/);
  const tar = new Uint8Array(1024);
  tar.set(text("ustar"), 257);
  await refused(tar, /tar archive.*_use_new_zipfile_serialization=True/);
  await refused(pickleBytes(0x80, 4, "N."), /a bare pickle/);
  await refused(new Uint8Array(), /an empty file/);
  await refused(text("version https://git-lfs.github.com/spec/v1\n"), /git lfs pull/);
  await refused(text("<!DOCTYPE html>"), /a web page/);
  await refused(text("\x40\0\0\0\0\0\0\0{}"), /a safetensors file/);
  await refused(text("something else"), /none of the formats/);
  const content = pickleBytes(0x80, 2, "N.");
  await refused(zipBytes([{ name: "document.xml", content }]), /0 records named \*\/data\.pkl/);
  await refused(
    zipBytes([{ name: "a/data.pkl", content }, { name: "b/data.pkl", content }]),
    /2 records named/,
  );
  for (const name of ["m/constants.pkl", "m/code/__torch__.py"]) {
    await refused(
      zipBytes([{ name: "m/data.pkl", content }, { name, content }]),
      /TorchScript.*torch\.jit\.load/,
    );
  }
  await refused(
    zipBytes([{ name: "m/data.pkl", content }, { name: "m/byteorder", content: text("big") }]),
    /"big", wanted "little"/,
  );
});

Deno.test("openTorchFile() says what to do when there is no file", async () => {
  await assert.rejects(openTorchFile("/nowhere/a.pth"), DataError);
  await assert.rejects(openTorchFile("/"), DataError);
});

const VALUES: readonly (readonly [SafetensorsDType, TorchWritableTensor["data"]])[] = [
  ["F64", new Float64Array([1.5, -0, NaN])],
  ["F32", new Float32Array([1.5, -0, Infinity])],
  ["F16", new Float16Array([1.5, -0, 65504])],
  ["BF16", new Uint16Array([0x3fc0, 0x8000, 0x7f80])],
  ["I64", new BigInt64Array([-(2n ** 63n), 0n, 2n ** 63n - 1n])],
  ["I32", new Int32Array([-(2 ** 31), 0, 2 ** 31 - 1])],
  ["I16", new Int16Array([-32768, 0, 32767])],
  ["I8", new Int8Array([-128, 0, 127])],
  ["U8", new Uint8Array([0, 1, 255])],
  ["BOOL", new Uint8Array([0, 1, 1])],
];

Deno.test("writeTorchFile() and openTorchFile() are inverse for every type, and equal content gives equal bytes", async () => {
  using folder = temporaryFolder();
  const tensors = new Map(VALUES.map(([dtype, data]): [string, TorchWritable] => [
    dtype,
    { kind: "tensor", dtype, shape: [1, 3], data },
  ]));
  const shared = new Float32Array([1, 2, 3, 4]);
  const root = new Map<string | number, TorchWritable>([
    ["tensors", torchOrderedDict(tensors)],
    ["a", { kind: "tensor", dtype: "F32", shape: [4], data: shared }],
    ["b", { kind: "tensor", dtype: "F32", shape: [4], data: shared }],
    ["flat", { kind: "tensor", dtype: "F32", shape: [2, 2], data: shared }],
    ["scalar", {
      kind: "tensor",
      dtype: "F32",
      shape: [],
      data: () => Promise.resolve(new Float32Array([7])),
    }],
    ["none", { kind: "tensor", dtype: "F32", shape: [0, 2], data: new Float32Array() }],
    ["numbers", [
      0,
      255,
      256,
      65536,
      -1,
      2 ** 31,
      -(2 ** 31) - 1,
      2 ** 53 - 1,
      2 ** 53,
      0.1,
      -0,
      NaN,
      -Infinity,
      1e300,
    ]],
    ["big", [2n ** 64n, -(2n ** 100n), 5n]],
    ["others", ["é😀", "", null, true, false, torchFloat(1), torchTuple([1, [2]]), [], new Map()]],
    [3, "three"],
  ]);
  const paths = [`${folder.path}/one.pth`, `${folder.path}/two.pth`];
  for (const path of paths) await writeTorchFile(path, root);
  assert.deepEqual(Deno.readFileSync(paths[0]), Deno.readFileSync(paths[1]));
  assert.deepEqual([...Deno.readDirSync(folder.path)].map(({ name }) => name).sort(), ["one.pth", "two.pth"]);

  await using file = await openTorchFile(paths[0]);
  const found = file.root as TorchDict;
  assert.deepEqual([...found.keys()], [...root.keys()]);
  for (const [dtype, data] of VALUES) {
    const tensor = (found.get("tensors") as TorchDict).get(dtype) as TorchTensor;
    assert.deepEqual(await file.read(tensor), { dtype, shape: [1, 3], data });
  }
  assert.deepEqual(found.get("a"), found.get("b"));
  assert.equal((found.get("flat") as TorchTensor).storage, (found.get("a") as TorchTensor).storage);
  assert.deepEqual((await file.read(found.get("scalar") as TorchTensor)).data, new Float32Array([7]));
  assert.equal((await file.read(found.get("none") as TorchTensor)).data.length, 0);
  for (const key of ["numbers", "big"]) {
    const expected = root.get(key) as (number | bigint)[];
    assert.deepEqual(found.get(key), expected.map((item) => item === 5n ? 5 : item));
  }
  assert.deepEqual(found.get("others"), ["é😀", "", null, true, false, 1, [1, [2]], [], new Map()]);
  assert.equal(found.get(3), "three");
  assert.deepEqual(file.notes, []);
});

Deno.test("writeTorchFile() leaves nothing behind when a value cannot be written", async () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/x.pth`;
  const data = new Float32Array(4);
  const tensor = (part: Partial<TorchWritableTensor>): TorchWritable =>
    new Map([["w", { kind: "tensor" as const, dtype: "F32" as const, shape: [4], data, ...part }]]);
  const deep: TorchWritable[] = [];
  deep.push(deep);
  const wrong: [TorchWritable, RegExp][] = [
    [tensor({ shape: [5] }), /"root\.w".*found Float32Array of 4, wanted Float32Array of 5/],
    [tensor({ dtype: "F64" }), /wanted Float64Array/],
    [tensor({ dtype: "U32", data: new Uint32Array(4) }), /root\.w.*found dtype U32/],
    [
      tensor({ data: () => Promise.reject(new TorchError("the producer's own error", "x")) }),
      /the producer's own error/,
    ],
    [[tensor({}), tensor({ shape: [3] })], /with the data of root\[0\]\.w/],
    [new Map([[0.5, null]]), /the key 0\.5/],
    [2n ** 3000n, /more than 255 bytes/],
    [deep, /contains itself/],
  ];
  for (const [root, what] of wrong) {
    await assert.rejects(writeTorchFile(path, root), (error: unknown) => {
      assert.ok(error instanceof TorchError, (error as Error).stack);
      assert.match(error.message, what);
      return true;
    });
    assert.deepEqual([...Deno.readDirSync(folder.path)], []);
  }
  await assert.rejects(writeTorchFile("/nowhere/x.pth", null), DataError);
});

Deno.test("torchToJson() turns plans into plain JSON and names what it cannot", () => {
  const value: TorchValue = new Map<string | number, TorchValue>([
    ["spacing", [1, 0.5, null]],
    [1, new Map([["__proto__", "text"]])],
    ["path", { kind: "opaque", name: "pathlib.PosixPath" }],
  ]);
  assert.equal(
    JSON.stringify(torchToJson(value)),
    '{"1":{"__proto__":"text"},"spacing":[1,0.5,null],"path":"<pathlib.PosixPath>"}',
  );
  const tensor: TorchTensor = {
    ...{
      kind: "tensor",
      dtype: "F32",
      shape: [1],
      strides: [1],
      offset: 0,
      storage: "0",
      storageElements: 1,
    },
  };
  assert.throws(
    () => torchToJson(new Map([["w", [tensor]]]), "a.pth"),
    /the value\.w\[0\] of a\.pth.*found a tensor/,
  );
  assert.throws(() => torchToJson([NaN]), /found NaN/);
  assert.throws(() => torchToJson(new Uint8Array(2)), /found bytes/);
  const long = "x".repeat(2 ** 20);
  const repeated = Array.from({ length: 33 }, () => long);
  assert.throws(() => torchToJson(repeated), {
    name: "TorchError",
    message: /found more text than any plan/,
  });
  assert.throws(() => torchToJson(repeated.map((key) => new Map([[key, null]]))), /found more text/);
});
