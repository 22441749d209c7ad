import assert from "node:assert/strict";
import { askDawn } from "../../cli/dawn.ts";
import { repositoryRoot, spawn, temporaryFolder } from "../support/spawn.ts";

/** Chromium's software driver: Dawn refuses the lavapipe of older Mesa releases. */
const swiftShader = "/usr/lib/chromium/vk_swiftshader_icd.json";
const found = await Deno.stat(swiftShader).then(async () => (await askDawn()).installed, () => false);
if (!found) console.log("Tests of Dawn are skipped: it cannot be loaded, or SwiftShader is not here");

/** Runs the start script with SwiftShader as the only driver. */
const start = (args: readonly string[]) =>
  spawn(`${repositoryRoot}/spark3d`, args, { env: { VK_DRIVER_FILES: swiftShader } });

Deno.test("doctor finds Dawn's adapter", { ignore: !found }, async () => {
  const { code, stdout, stderr } = await start(["doctor", "--adapter", "dawn", "--json"]);
  assert.equal(code, 0, stderr);
  const { dawn, adapters } = JSON.parse(stdout);
  assert.equal(dawn.installed, true);
  assert.equal(adapters[0].request, "dawn");
  assert.ok(adapters[0].features.includes("subgroups"));
});

Deno.test("a run on Dawn trains, ends without a crash and leaves deno.lock alone", {
  ignore: !found,
}, async () => {
  const lock = await Deno.readTextFile(`${repositoryRoot}/deno.lock`);
  using folder = temporaryFolder();
  const data = `${folder.path}/cohort`;
  const phantom = await start(["phantom", "--out", data, "--subjects", "4"]);
  assert.equal(phantom.code, 0, phantom.stderr);
  const settings = "--network tiny --patch 16 --mask-block 4 --epochs 1 --steps 3 --adapter dawn --json";
  const out = `${folder.path}/run`;
  const run = await start(["pretrain", "--data", data, "--out", out, ...settings.split(" ")]);
  assert.deepEqual([run.code, run.signal], [0, null], run.stderr);
  const summary = JSON.parse(await Deno.readTextFile(`${out}/summary.json`));
  assert.match(summary.adapter, /SwiftShader/);
  assert.equal(summary.steps, 3);
  assert.equal(await Deno.readTextFile(`${repositoryRoot}/deno.lock`), lock);
});

Deno.test(
  "a run that fails on Dawn's thread says so in one line and does not crash",
  { ignore: !found },
  async () => {
    using folder = temporaryFolder();
    const data = `${folder.path}/cohort`;
    await start(["phantom", "--out", data, "--subjects", "4"]);
    const settings = "--network tiny --patch 1024 --mask-block 32 --epochs 1 --steps 1 --adapter dawn";
    const run = await start([
      "pretrain",
      "--data",
      data,
      "--out",
      `${folder.path}/run`,
      ...settings.split(" "),
    ]);
    assert.deepEqual([run.code, run.signal], [1, null], run.stderr);
    assert.match(run.stderr, /^error: Cannot .*SwiftShader/m);
  },
);
