import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { askDawn } from "../../cli/dawn.ts";
import { hasAdapter } from "../support/gpu.ts";
import { spawn, spawnSpark3d, temporaryFolder } from "../support/spawn.ts";

/** A backend that this system does not have, so that WebGPU finds no adapter. */
const noAdapter = { DENO_WEBGPU_BACKEND: Deno.build.os === "windows" ? "metal" : "dx12" };

Deno.test("phantom, then prepare: JSON results are one object on stdout, a second prepare reuses the first", async () => {
  using folder = temporaryFolder();
  const cohort = `${folder.path}/cohort`;
  const phantom = await spawnSpark3d([
    "phantom",
    "--out",
    cohort,
    "--subjects",
    "2",
    "--seed",
    "5",
    "--lesions",
    "--json",
  ]);
  assert.equal(phantom.code, 0, phantom.stderr);
  assert.deepEqual(JSON.parse(phantom.stdout), {
    ok: true,
    out: cohort,
    subjects: 2,
    seed: 5,
    lesions: true,
  });
  assert.match(phantom.stderr, /^phantom: 1\/2, \d+ s left, sub-01/m);
  const prepare = ["prepare", cohort, "--out", `${folder.path}/store`, "--json"];
  const first = await spawnSpark3d(prepare);
  assert.equal(first.code, 0, first.stderr);
  const facts = JSON.parse(first.stdout);
  assert.deepEqual([facts.ok, facts.volumes, facts.prepared, facts.reused, facts.rejected], [
    true,
    2,
    2,
    0,
    [],
  ]);
  const second = JSON.parse((await spawnSpark3d(prepare)).stdout);
  assert.deepEqual([second.prepared, second.reused], [0, 2]);
});

Deno.test("phantom refuses a folder that holds files", async () => {
  using folder = temporaryFolder();
  Deno.writeTextFileSync(`${folder.path}/mine.txt`, "x");
  const { code, stdout, stderr } = await spawnSpark3d(["phantom", "--out", folder.path, "--subjects", "1"]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.equal(
    stderr,
    `error: Cannot write a cohort to ${folder.path}: it holds 1 files, expected none: name a new folder\n`,
  );
});

Deno.test("prepare names bad sources and outputs in one line", async () => {
  using folder = temporaryFolder();
  const path = folder.path;
  Deno.writeTextFileSync(`${path}/file`, "x");
  Deno.mkdirSync(`${path}/empty`);
  Deno.mkdirSync(`${path}/bad`);
  Deno.writeTextFileSync(`${path}/bad/a.nii`, "not a volume");
  const cases: [string[], RegExp][] = [
    [["none", "--out", "store"], /^error: Cannot \w+ .*none: found no such file or folder/],
    [["empty", "--out", "store"], /^error: Cannot \w+ .*empty: /],
    [["empty", "--out", "file/store"], /^error: Cannot write to .*file\/store: a part of the path is a file/],
  ];
  for (const [args, wanted] of cases) {
    const { code, stdout, stderr } = await spawnSpark3d(["prepare", ...args], { cwd: path });
    assert.deepEqual([code, stdout], [1, ""], args.join(" "));
    const errors = stderr.split("\n").filter((line) => line.startsWith("error: "));
    assert.equal(errors.length, 1, stderr);
    assert.match(errors[0], wanted);
  }
  const bad = await spawnSpark3d(["prepare", "bad", "--out", "store", "--json"], { cwd: path });
  assert.equal(bad.code, 1);
  assert.equal(JSON.parse(bad.stdout).ok, false);
  assert.match(bad.stderr, /a\.nii/);
});

Deno.test("a run that finds no usable volume leaves no run folder behind", async () => {
  using folder = temporaryFolder();
  Deno.mkdirSync(`${folder.path}/empty`);
  const { code, stderr } = await spawnSpark3d(["pretrain", "--data", "empty", "--out", "run"], {
    cwd: folder.path,
  });
  assert.equal(code, 1, stderr);
  assert.deepEqual([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["empty"]);
});

Deno.test("doctor reports machine and adapters as JSON", { ignore: !hasAdapter }, async () => {
  const { code, stdout, stderr } = await spawnSpark3d(["doctor", "--json"]);
  assert.equal(code, 0, stderr);
  const { machine, dawn, adapters, usable, missing } = JSON.parse(stdout);
  assert.equal(machine.deno, Deno.version.deno);
  assert.equal(usable, true);
  assert.ok(adapters[0].limits.maxStorageBufferBindingSize >= 2 ** 27);
  assert.ok(adapters[0].features.length > 0);
  assert.ok(machine.memoryBytes > machine.freeMemoryBytes && machine.freeMemoryBytes > 0);
  assert.ok(Array.isArray(missing));
  assert.match(dawn.module, /^npm:webgpu@/);
  assert.equal(typeof dawn.installed, "boolean");
});

Deno.test("bench refuses an unknown adapter in one line", async () => {
  const { code, stdout, stderr } = await spawnSpark3d(["bench", "--adapter=vulkan"]);
  assert.deepEqual([code, stdout], [2, ""]);
  assert.equal(
    stderr,
    "Cannot use --adapter=vulkan: wanted one of auto, high, low, software, dawn\n",
  );
});

Deno.test("looking for Dawn does not fetch it", async () => {
  using folder = temporaryFolder();
  const before = Deno.env.get("DENO_DIR");
  Deno.env.set("DENO_DIR", folder.path);
  try {
    const { installed, problem } = await askDawn();
    assert.equal(installed, false);
    assert.match(problem!, /^Cannot load Dawn .*--cached-only/);
  } finally {
    if (before === undefined) Deno.env.delete("DENO_DIR");
    else Deno.env.set("DENO_DIR", before);
  }
  const fetched = await readdir(folder.path, { recursive: true });
  assert.deepEqual(fetched.filter((path) => path.includes("webgpu")), []);
});

Deno.test("plan prints what a run needs, and exits 1 with a remedy when it does not fit", {
  ignore: !hasAdapter,
}, async () => {
  const fitting = await spawnSpark3d([
    "plan",
    "--preset",
    "tiny",
    "--patch",
    "16",
    "--mask-block",
    "4",
    "--json",
  ]);
  assert.equal(fitting.code, 0, fitting.stderr);
  const plan = JSON.parse(fitting.stdout);
  assert.deepEqual([plan.ok, plan.fits, plan.patch, plan.refusal], [true, true, [16, 16, 16], null]);
  assert.ok(plan.peakBytes > plan.persistentBytes && plan.convMacsTraining > plan.convMacsForward);
  const large = await spawnSpark3d(["plan", "--preset", "tiny", "--patch", "1024", "--mask-block", "32"]);
  assert.equal(large.code, 1, large.stdout);
  assert.match(large.stdout, /patch/);
  assert.equal(large.stderr, "");
});

Deno.test("doctor without an adapter says what to install and exits 1", async () => {
  const { code, stdout } = await spawnSpark3d(["doctor"], { env: noAdapter });
  assert.equal(code, 1);
  assert.match(stdout, /^Missing\n(.*\n)* {2}WebGPU adapter: none answers; install a driver/m);
  const json = await spawnSpark3d(["doctor", "--json"], { env: noAdapter });
  assert.deepEqual([json.code, JSON.parse(json.stdout).usable, JSON.parse(json.stdout).adapters], [
    1,
    false,
    [],
  ]);
});

Deno.test({
  name: "a reader that closes the pipe early is no error to complain about",
  ignore: Deno.build.os === "windows",
  async fn() {
    const main = new URL("../../cli/main.ts", import.meta.url).pathname;
    const command = `"${Deno.execPath()}" run -A --quiet --no-check "${main}" pretrain --print-schema | true`;
    const { stderr } = await spawn("/bin/sh", ["-c", command]);
    assert.equal(stderr, "");
  },
});
