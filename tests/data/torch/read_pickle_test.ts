import assert from "node:assert/strict";
import { TorchError, type TorchValue } from "../../../data/torch/types.ts";
import { openBytes, pickleBytes, torchBytes, unicode } from "./archives.ts";

type Body = readonly (number | string | Uint8Array)[];

async function value(...body: Body): Promise<TorchValue> {
  await using file = await openBytes(torchBytes(body));
  return file.root;
}

async function valueAndNotes(...body: Body): Promise<[TorchValue, readonly string[]]> {
  await using file = await openBytes(torchBytes(body));
  return [file.root, file.notes];
}

/** Refused in one line that says what, and quickly. */
async function refused(what: RegExp, ...body: Body): Promise<void> {
  const started = performance.now();
  await assert.rejects(value(...body), (error: unknown) => {
    assert.ok(error instanceof TorchError, (error as Error).stack);
    assert.match(error.message, /^Cannot read file\.pth: [^\n]+$/);
    assert.match(error.message, what);
    return true;
  });
  assert.ok(performance.now() - started < 5000);
}

/** A call of a global with the arguments that lie between the parentheses. */
const call = (module: string, name: string, ...args: Body): Uint8Array =>
  pickleBytes(`c${module}\n${name}\n(`, ...args, "tR");

Deno.test("openTorchFile() reads numbers of every protocol", async () => {
  assert.deepEqual(
    await value(
      "(",
      ...["I-12\n", "L123456789012345678901L\n", "F1.5e3\n", "Fnan\n", "F-inf\n", "I01\n", "I00\n"],
      ...[0x4b, 200, 0x4d, 0, 1, 0x4a, 0xfe, 0xff, 0xff, 0xff],
      ...[0x8a, 1, 0xff, 0x8a, 0, 0x8a, 6, 0, 0, 0, 0, 0, 0x80, 0x8b, 2, 0, 0, 0, 0, 1],
      ...[0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x47, 0xbf, 0xf8, 0, 0, 0, 0, 0, 0],
      ...[0x88, 0x89, 0x4e],
      "l",
    ),
    [
      ...[-12, 123456789012345678901n, 1500, NaN, -Infinity, true, false],
      ...[200, 256, -2, -1, 0, -(2 ** 47), 256, 2n ** 64n, -1.5, true, false, null],
    ],
  );
});

Deno.test("openTorchFile() reads text and bytes of every protocol", async () => {
  assert.deepEqual(
    await value(
      "(",
      ...[
        "S'old'\n",
        "Vb\\u00e9\\U0001f600",
        0xe9,
        "\n",
        unicode("é"),
        0x8c,
        1,
        "s",
        0x8d,
        2,
        ...[0, 0, 0, 0, 0, 0, 0],
        "é",
      ],
      ...["T", 1, 0, 0, 0, 0xe9, "U", 1, 0xff, "B", 1, 0, 0, 0, 7, "C", 2, 8, 9],
      ...[0x8e, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0x96, 1, 0, 0, 0, 0, 0, 0, 0, 6],
      call("_codecs", "encode", unicode("ÿ\u0000"), unicode("latin1")),
      "t",
    ),
    [
      ...["old", "bé😀é", "é", "s", "é", "é", "ÿ", Uint8Array.of(7), Uint8Array.of(8, 9), Uint8Array.of(5)],
      ...[Uint8Array.of(6), Uint8Array.of(255, 0)],
    ],
  );
});

Deno.test("openTorchFile() reads containers, memo and frames of every protocol", async () => {
  const frame = [0x95, 5, 0, 0, 0, 0, 0, 0, 0];
  assert.deepEqual(
    await value(
      ...frame,
      ...[
        "]",
        0x94,
        "(",
        0x4b,
        1,
        0x85,
        0x94,
        "h",
        1,
        0x4b,
        2,
        0x86,
        0x4b,
        1,
        0x4b,
        2,
        0x4b,
        3,
        0x87,
        ")",
        "e",
      ],
      ...[0x8f, "(", 0x4b, 4, 0x90, "a", "(", 0x4b, 5, 0x91, "a", "(", 0x4b, 6, "l", "a"],
      ...["(", unicode("a"), 0x4b, 7, "d", "a", "}", 0x4b, 8, 0x4e, "s", "(", 0x88, 0x4b, 9, "u", "a"],
      ...[
        "N",
        "p9\n",
        "0",
        "g9\n",
        "a",
        "N",
        "q",
        200,
        "0h",
        200,
        "a",
        "N",
        "r",
        1,
        1,
        0,
        0,
        "0j",
        1,
        1,
        0,
        0,
        "a",
      ],
      ...["(", 0x4b, 1, "1", 0x4b, 3, "20a", "(", "0"],
    ),
    [
      ...[[1], [[1], 2], [1, 2, 3], [], [4], [5], [6], new Map([["a", 7]])],
      ...[new Map<unknown, unknown>([[8, null], [true, 9]]), null, null, null, 3],
    ],
  );
});

Deno.test("openTorchFile() reads what torch and numpy wrap values in", async () => {
  const dtype = (code: string, order = "<") =>
    pickleBytes(
      call("numpy", "dtype", unicode(code), 0x89, 0x88),
      ...[
        "(",
        0x4b,
        3,
        unicode(order),
        "NNNJ",
        0xff,
        0xff,
        0xff,
        0xff,
        "J",
        0xff,
        0xff,
        0xff,
        0xff,
        "K",
        0,
        "tb",
      ],
    );
  const bytes = (...values: number[]) => pickleBytes("C", values.length, ...values);
  assert.deepEqual(
    await value(
      "(",
      ...[call("torch", "device", unicode("cpu")), call("torch", "device", unicode("cuda"), 0x4b, 1)],
      ...[call("torch", "Size", "(K", 3, "t"), "ctorch\nfloat16\n", call("collections", "OrderedDict")],
      call("numpy.core.multiarray", "scalar", dtype("f8"), bytes(0, 0, 0, 0, 0, 0, 0xf8, 0x3f)),
      call("numpy._core.multiarray", "scalar", dtype("i4", ">"), bytes(0, 0, 1, 0)),
      call("numpy.core.multiarray", "scalar", dtype("b1", "|"), bytes(1)),
      call("numpy.core.multiarray", "scalar", dtype("U2"), bytes(97, 0, 0, 0, 0, 0, 0, 0)),
      call("builtins", "set", "(K", 1, "l"),
      "l",
    ),
    ["cpu", "cuda:1", [3], "torch.float16", new Map(), 1.5, 256, true, "a", [1]],
  );
});

Deno.test("arrays of numpy become tensors, whatever their order of axes and bytes", async () => {
  const content = Uint8Array.of(0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6);
  const array = pickleBytes(
    call("numpy.core.multiarray", "_reconstruct", "cnumpy\nndarray\n", "(K", 0, "t", "C", 1, "b"),
    ...["(", 0x4b, 1, "(K", 2, "K", 3, "t", call("numpy", "dtype", unicode("i2"), 0x89, 0x88)],
    ...["(", 0x4b, 3, unicode(">"), "NNNK", 0, "K", 0, "K", 0, "tb", 0x88, "C", 12, content, "tb"],
  );
  await using file = await openBytes(torchBytes([array]));
  const root = file.root;
  assert.ok(root !== null && typeof root === "object" && "kind" in root && root.kind === "tensor");
  const { dtype, shape, data } = await file.read(root);
  assert.deepEqual({ dtype, shape, data }, {
    dtype: "I16",
    shape: [2, 3],
    data: new Int16Array([1, 3, 5, 2, 4, 6]),
  });
});

Deno.test("no function is run: calls of anything else become opaque values with a note", async () => {
  using folder = { path: Deno.makeTempDirSync(), [Symbol.dispose]: () => Deno.removeSync(folder.path) };
  const command = unicode(`touch ${folder.path}/ran`);
  for (
    const [module, name] of [["os", "system"], ["posix", "system"], ["subprocess", "call"], [
      "builtins",
      "eval",
    ]]
  ) {
    const [root, notes] = await valueAndNotes("(", call(module, name, command), 0x4b, 1, "l");
    assert.deepEqual(root, [{ kind: "opaque", name: `${module}.${name}` }, 1]);
    assert.match(notes.join(), new RegExp(`"${module}\\.${name}" were left out.*nothing of it was run`));
  }
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});

Deno.test("names of JavaScript are nothing special", async () => {
  for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
    const [root] = await valueAndNotes("(", call(name, name, "N"), `c${name}\n${name}\n`, "l");
    assert.deepEqual(root, [0, 1].map(() => ({ kind: "opaque", name: `${name}.${name}` })));
  }
  const keys = await value(
    "}(",
    unicode("__proto__"),
    "}(",
    unicode("polluted"),
    0x88,
    "u",
    unicode("constructor"),
    "N",
    "u",
  );
  assert.deepEqual([...(keys as Map<string, unknown>).keys()], ["__proto__", "constructor"]);
  // As the state of objects, on dictionaries, opaque values and classes.
  const state = pickleBytes(
    "}(",
    unicode("__proto__"),
    "}(",
    unicode("polluted"),
    0x88,
    "u",
    unicode("__setstate__"),
    "Nu",
  );
  await value(call("collections", "OrderedDict"), state, "b");
  await value(call("some", "Thing"), state, "b");
  await refused(/what has none/, "csome\nThing\n", state, "b");
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  await refused(/no number/, "Fconstructor\n");
});

Deno.test("objects of unknown classes are opaque however they are made", async () => {
  const opaque = { kind: "opaque", name: "some.Thing" };
  assert.deepEqual(
    await value(
      "(",
      ...[
        "csome\nThing\n)",
        0x81,
        "csome\nThing\n)}",
        0x92,
        "(K",
        1,
        "isome\nThing\n",
        "(csome\nThing\nK",
        1,
        "o",
      ],
      ...[0x8c, 4, "some", 0x8c, 5, "Thing", 0x93, ")R(K", 1, "K", 2, "uK", 1, "a(K", 1, "e)R", "l"],
    ),
    [opaque, opaque, opaque, opaque, opaque],
  );
});

Deno.test("dictionary keys that are neither text nor numbers are left out with a note", async () => {
  const [root, notes] = await valueAndNotes("}(", ")K", 1, unicode("a"), "K", 2, "u");
  assert.deepEqual(root, new Map([["a", 2]]));
  assert.match(notes.join(), /keys that are neither text nor numbers/);
});

Deno.test("pickles that break the machine's rules are refused", async () => {
  await refused(/the stack is empty/, "0");
  await refused(/the stack is empty/, "K", 1, "(", 0x85);
  await refused(/there is no mark/, "t");
  await refused(/nothing was remembered as 5/, "h", 5);
  await refused(/unknown opcode 0x00/, 0);
  await refused(/unknown opcode 0x97/, 0x97);
  for (const [code, length] of [[0x82, 1], [0x83, 2], [0x84, 4]]) {
    await refused(/registry/, code, new Uint8Array(length).fill(1));
  }
  await refused(/newer than 5/, 0x80, 6, "N");
  await refused(/2 values are left/, "NN");
  await refused(/no dictionary/, "](K", 1, "K", 2, "u");
  await refused(/a key has no value/, "}(K", 1, "u");
  await refused(/no list/, ")K", 1, "a");
  await refused(/no tuple/, "ccollections\nOrderedDict\nNR");
  await refused(/no function/, "K", 1, ")R");
  await refused(/no text/, "NN", 0x93);
  await refused(/storage has not the form/, "N", "Q");
  await refused(/storage has not the form/, "Panything\n");
  await refused(/no number/, "I0x10\n");
  await refused(/quotes/, "S'a\n");
  await refused(/a line does not end/, "I1");
});

Deno.test("lengths that a pickle announces are checked before memory is taken", async () => {
  const huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
  for (const code of ["X", "T", "B"]) await refused(/bytes are announced/, code, ...huge.slice(4));
  for (const code of [0x8d, 0x8e, 0x96]) await refused(/bytes are announced/, code, ...huge);
  await refused(/an integer of 2147483647 bytes/, 0x8b, 0xff, 0xff, 0xff, 0x7f);
  await refused(/limit 1024/, `I${"1".repeat(5000)}\n`);
});

Deno.test("bombs are refused: memo, nesting, cycles, copies, repeated digits", async () => {
  // Each list holds the one before ten times: 10^40 values for whoever walks the tree.
  const laughs = Array.from({ length: 40 }, (_, i) => pickleBytes("](h", i, "2".repeat(9), "eq", i + 1, "0"));
  await refused(/contain each other/, "Nq", 0, "0", ...laughs, "h", 40);
  await refused(/nested deeper than 200/, "]".repeat(100_000), "a".repeat(99_999));
  await refused(/contains itself/, "]q", 0, "h", 0, "a");
  await refused(/contains itself/, "}q", 0, "K", 1, "h", 0, "s");
  await refused(/more than 16000000 opcodes/, new Uint8Array(17_000_000).fill(0x4e));
  await refused(/more than 2000000 objects/, "]0".repeat(2_000_001), "N");
  // A list of 100,000 items is copied by a call again and again.
  await refused(
    /calls copy more than/,
    ...["]q", 0, "(", "N".repeat(100_000), "e0", "cbuiltins\nlist\nq", 1, "0"],
    pickleBytes(...Array.from({ length: 1000 }, () => pickleBytes("h", 1, "h", 0, 0x85, "R0"))),
    "N",
  );
});

Deno.test("a structure beyond the limit is refused before it is read", async () => {
  const bytes = torchBytes([unicode("x".repeat(5000))]);
  await assert.rejects(
    openBytes(bytes, { maxPickleBytes: 4000 }),
    /structure of 50\d\d bytes, wanted at most 4000/,
  );
  await using file = await openBytes(bytes, { maxPickleBytes: 6000 });
  assert.equal((file.root as string).length, 5000);
});
