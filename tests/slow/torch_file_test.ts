import assert from "node:assert/strict";
import { openTorchFile } from "../../data/torch/open_torch_file.ts";
import {
  type TorchDict,
  torchFloat,
  torchOrderedDict,
  type TorchTensor,
  torchTuple,
  type TorchWritable,
} from "../../data/torch/types.ts";
import { writeTorchFile } from "../../data/torch/write_torch_file.ts";
import { spawn, temporaryFolder } from "../support/spawn.ts";

/** A Python that can import a module: the one on the path, or Debian's own. */
async function findPython(module: string): Promise<string | null> {
  for (const python of ["python3", "/usr/bin/python3"]) {
    if ((await spawn(python, ["-c", `import ${module}`]).catch(() => null))?.code === 0) return python;
  }
  console.log(`Comparisons with Python's ${module} are skipped: no python3 can import it`);
  return null;
}

const plain = await findPython("pickletools");
const withTorch = await findPython("torch, numpy");

async function run(python: string, script: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await spawn(python, ["-c", script, ...args]);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Opcodes that torch.load(weights_only=True) of torch 2 takes (torch/_weights_only_unpickler.py), by their names in pickletools. */
const RESTRICTED = new Set(
  ("GLOBAL NEWOBJ REDUCE BUILD APPEND APPENDS SETITEM SETITEMS MARK TUPLE TUPLE1 TUPLE2 TUPLE3 NONE NEWFALSE NEWTRUE EMPTY_TUPLE " +
    "EMPTY_LIST EMPTY_DICT EMPTY_SET BINPERSID BININT BININT1 BININT2 BINFLOAT BINGET LONG_BINGET BINPUT LONG_BINPUT BINUNICODE " +
    "SHORT_BINSTRING LONG1 PROTO STOP").split(" "),
);

const data = new Float32Array([1, -2, 3, 0.5]);
const tensor = { kind: "tensor", dtype: "F32", shape: [2, 2], data } as const;
const root = new Map<string, TorchWritable>([
  ["state", torchOrderedDict(new Map([["a", tensor], ["b", tensor]]))],
  ["half", { kind: "tensor", dtype: "F16", shape: [2], data: new Float16Array([1.5, -2]) }],
  ["brain", { kind: "tensor", dtype: "BF16", shape: [1], data: new Uint16Array([0x3fc0]) }],
  ["bool", { kind: "tensor", dtype: "BOOL", shape: [2], data: new Uint8Array([1, 0]) }],
  ["long", { kind: "tensor", dtype: "I64", shape: [], data: new BigInt64Array([-5n]) }],
  ["values", [
    1,
    -1,
    300,
    70000,
    2 ** 40,
    2n ** 70n,
    0.1,
    torchFloat(2),
    null,
    true,
    "é",
    torchTuple([1, "x"]),
  ]],
]);

Deno.test({
  name:
    "writeTorchFile() uses only what torch's restricted reader takes, in an archive that Python finds intact",
  ignore: plain === null,
  fn: async () => {
    using folder = temporaryFolder();
    await writeTorchFile(`${folder.path}/a.pth`, root);
    const script = `
import sys, json, zipfile, pickletools
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
codes = [(code.name, arg) for code, arg, _ in pickletools.genops(archive.read("archive/data.pkl"))]
print(json.dumps({"codes": sorted({c for c, _ in codes}), "globals": sorted({a for c, a in codes if c == "GLOBAL"}), "records": archive.namelist()}))
`;
    const { codes, globals, records } = JSON.parse(await run(plain!, script, `${folder.path}/a.pth`));
    assert.deepEqual((codes as string[]).filter((code) => !RESTRICTED.has(code)), []);
    assert.deepEqual(globals, [
      "collections OrderedDict",
      ...[
        "torch BFloat16Storage",
        "torch BoolStorage",
        "torch FloatStorage",
        "torch HalfStorage",
        "torch LongStorage",
      ],
      "torch._utils _rebuild_tensor_v2",
    ]);
    const storages = [0, 1, 2, 3, 4].map((key) => `archive/data/${key}`);
    assert.deepEqual(records, ["archive/data.pkl", "archive/byteorder", ...storages, "archive/version"]);
  },
});

Deno.test({
  name: "torch.load() gives the values that writeTorchFile() was given",
  ignore: withTorch === null,
  fn: async () => {
    using folder = temporaryFolder();
    await writeTorchFile(`${folder.path}/a.pth`, root);
    const script = `
import sys, torch
from collections import OrderedDict
c = torch.load(sys.argv[1], map_location="cpu")
assert list(c) == ["state", "half", "brain", "bool", "long", "values"], list(c)
assert type(c["state"]) is OrderedDict and c["state"]["a"].data_ptr() == c["state"]["b"].data_ptr()
for name, wanted in [("half", torch.tensor([1.5, -2], dtype=torch.float16)), ("brain", torch.tensor([1.5], dtype=torch.bfloat16)),
                     ("bool", torch.tensor([True, False])), ("long", torch.tensor(-5))]:
    assert c[name].dtype == wanted.dtype and c[name].shape == wanted.shape and torch.equal(c[name], wanted), name
assert torch.equal(c["state"]["a"], torch.tensor([[1, -2], [3, 0.5]]))
wanted = [1, -1, 300, 70000, 2**40, 2**70, 0.1, 2.0, None, True, "é", (1, "x")]
assert c["values"] == wanted and [type(v) for v in c["values"]] == [type(v) for v in wanted], c["values"]
`;
    await run(withTorch!, script, `${folder.path}/a.pth`);
  },
});

Deno.test({
  name: "openTorchFile() reads what torch.save() writes, in protocols 2 to 5",
  ignore: withTorch === null,
  fn: async () => {
    using folder = temporaryFolder();
    const script = `
import sys, torch, numpy as np
base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
layer = torch.nn.Linear(2, 1)
with torch.no_grad():
    layer.weight.copy_(torch.tensor([[1.0, 2.0]])); layer.bias.fill_(3)
content = {
    "turned": base.permute(2, 0, 1), "part": base[1, ::2, 1:3], "wide": torch.tensor([7.0]).expand(3, 2),
    "state": layer.state_dict(), "parameter": layer.bias,
    "values": [1, -1, 2**40, 2**70, -2**70, 0.5, None, True, "é", b"\\x00\\xff", (1, 2), {3}, torch.Size([4]), torch.device("cpu"), torch.float16],
    "numpy": [np.float64(1.5), np.float32(0.5), np.int64(-7), np.bool_(True)], "array": np.arange(6, dtype=np.int16).reshape(2, 3),
}
for protocol in range(2, 6):
    torch.save(content, f"{sys.argv[1]}/{protocol}.pth", pickle_protocol=protocol)
`;
    await run(withTorch!, script, folder.path);
    for (let protocol = 2; protocol <= 5; protocol++) {
      await using file = await openTorchFile(`${folder.path}/${protocol}.pth`);
      assert.deepEqual(file.notes, [], `protocol ${protocol}`);
      const found = file.root as TorchDict;
      const read = async (value: unknown) => {
        const { shape, data } = await file.read(value as TorchTensor);
        return [shape, Array.from(data as ArrayLike<number>)];
      };
      const turned = [0, 1, 2, 3].flatMap((x) =>
        [0, 1].flatMap((z) => [0, 1, 2].map((y) => 12 * z + 4 * y + x))
      );
      assert.deepEqual(await read(found.get("turned")), [[4, 2, 3], turned]);
      assert.deepEqual(await read(found.get("part")), [[2, 2], [13, 14, 21, 22]]);
      assert.deepEqual(await read(found.get("wide")), [[3, 2], [7, 7, 7, 7, 7, 7]]);
      assert.deepEqual(await read((found.get("state") as TorchDict).get("weight")), [[1, 2], [1, 2]]);
      assert.deepEqual(found.get("parameter"), (found.get("state") as TorchDict).get("bias"));
      assert.deepEqual(found.get("values"), [
        ...[
          1,
          -1,
          2 ** 40,
          2n ** 70n,
          -(2n ** 70n),
          0.5,
          null,
          true,
          "é",
          Uint8Array.of(0, 255),
          [1, 2],
          [3],
          [4],
        ],
        ...["cpu", "torch.float16"],
      ]);
      assert.deepEqual(found.get("numpy"), [1.5, 0.5, -7, true]);
      assert.deepEqual(await read(found.get("array")), [[2, 3], [0, 1, 2, 3, 4, 5]]);
    }
  },
});
