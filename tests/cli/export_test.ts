import assert from "node:assert/strict";
import { spawnSpark3d, temporaryFolder } from "../support/spawn.ts";
import { writePretrainedRun } from "../train/interop/exported_run.ts";

Deno.test("spark3d export writes the file and its card, and one JSON object about them", async () => {
  using folder = temporaryFolder();
  await writePretrainedRun(`${folder.path}/run`);
  const out = `${folder.path}/new/checkpoint_final.pth`;
  const done = await spawnSpark3d([
    "export",
    `${folder.path}/run`,
    "--format",
    "nnssl",
    "--out",
    out,
    "--json",
  ]);
  assert.equal(done.code, 0, done.stderr);
  const result = JSON.parse(done.stdout);
  assert.deepEqual([result.ok, result.format, result.files[0]], [true, "nnssl", out]);
  for (const path of result.files) assert.ok((await Deno.stat(path)).size > 0, path);
  assert.equal(result.bytes, (await Deno.stat(out)).size);
  assert.match(done.stderr, /^note: The optimizer's state is left out/m);

  const text = await spawnSpark3d([
    "export",
    out,
    "--format",
    "onnx",
    "--part",
    "encoder",
    "--out",
    `${folder.path}/a.onnx`,
    "--no-card",
  ]);
  assert.equal(text.code, 0, text.stderr);
  assert.match(text.stdout, /^\S+a\.onnx: \d+,\d+ parameters under \d+ names, 0\.\d MiB\n$/);
});

Deno.test("spark3d export refuses in one line what cannot be exported, and what does not go together", async () => {
  using folder = temporaryFolder();
  await writePretrainedRun(`${folder.path}/run`);
  const run = `${folder.path}/run`, out = `${folder.path}/out`;
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [
      [run, "--format", "nnssl", "--part", "encoder", "--out", out],
      2,
      /^error: --part goes with --format onnx, /,
    ],
    [[run, "--format", "tflite", "--out", out], 2, /^error: Option .*nnssl, nnunet, safetensors, onnx/],
    [[run, "--format", "onnx", "--out", out, "--licence", "x\ny: z"], 2, /^error: Option .*SPDX identifier/],
    [
      [run, "--format", "nnssl", "--out", `${run}/checkpoints/final.safetensors`],
      1,
      /^error: Cannot write .*found the file that is read, wanted a place of its own: choose another name$/m,
    ],
    [[`${run}/none`, "--format", "nnssl", "--out", out], 1, /^error: Cannot read .*none.*no such file/],
    [
      [run, "--format", "onnx", "--part", "segmentation", "--patch", "17", "--out", out],
      1,
      /^error: Cannot /,
    ],
  ];
  for (const [args, code, message] of cases) {
    const refused = await spawnSpark3d(["export", ...args]);
    assert.equal(refused.code, code, `${args.join(" ")}: ${refused.stderr}`);
    assert.match(refused.stderr, message);
    assert.equal(refused.stderr.trim().split("\n").length, 1, refused.stderr);
  }
  assert.equal(await Deno.stat(out).catch(() => null), null, "nothing is left behind");
});
