import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { hasAdapter } from "../support/gpu.ts";
import { type SpawnOptions, spawnSpark3d, temporaryFolder } from "../support/spawn.ts";

/** A run that takes seconds: a tiny network on small patches of two phantoms, prepared once; it says all that matters. */
const small = {
  preset: "paper",
  network: { preset: "tiny" },
  patch: [16, 16, 16],
  mask: { block: 4 },
  batch: { size: 2 },
  epochs: 2,
  stepsPerEpoch: 12,
  validation: { patches: 2, everyEpochs: 1 },
  checkpointEveryEpochs: 1,
  metricsEvery: 2,
  loader: { workers: 1 },
};

async function prepareSmallStore(folder: string): Promise<string> {
  const store = `${folder}/store`;
  const phantom = await spawnSpark3d(["phantom", "--out", `${folder}/cohort`, "--subjects", "2"]);
  assert.equal(phantom.code, 0, phantom.stderr);
  const prepare = await spawnSpark3d(["prepare", `${folder}/cohort`, "--out", store]);
  assert.equal(prepare.code, 0, prepare.stderr);
  return store;
}

async function pretrain(
  store: string,
  out: string,
  more: readonly string[] = [],
  options: SpawnOptions = {},
) {
  const config = `${out}.config.json`;
  await Deno.writeTextFile(config, JSON.stringify(small));
  const args = ["pretrain", "--data", store, "--out", out, "--config", config, "--json", ...more];
  return await spawnSpark3d(args, options);
}

async function finalBytes(out: string): Promise<string> {
  return createHash("sha256").update(await Deno.readFile(`${out}/checkpoints/final.safetensors`)).digest(
    "hex",
  );
}

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

/** Waits until a file is there, then sends a signal; a process that has ended by then gets none. */
function signalWhen(path: string, signal: Deno.Signal, delayMs: number): SpawnOptions {
  return {
    onStart: async (child) => {
      let ended = false;
      child.status.then(() => ended = true);
      while (!ended && !await exists(path)) await new Promise((done) => setTimeout(done, 10));
      await new Promise((done) => setTimeout(done, delayMs));
      if (!ended) child.kill(signal);
    },
  };
}

Deno.test({
  name: "spark3d pretrain: same seed, same bytes; stopped or killed and resumed, same bytes",
  ignore: !hasAdapter || Deno.build.os === "windows",
  async fn(t) {
    using folder = temporaryFolder();
    const store = await prepareSmallStore(folder.path);
    const whole = `${folder.path}/whole`;
    const run = await pretrain(store, whole, [], { measured: true });
    assert.equal(run.code, 0, run.stderr);
    const wanted = await finalBytes(whole);

    await t.step("one JSON object on stdout, equal to summary.json", async () => {
      const { ok, out, ...summary } = JSON.parse(run.stdout);
      assert.deepEqual([ok, out, run.stdout.trim().split("\n").length], [true, whole, 1]);
      assert.deepEqual(summary, JSON.parse(await Deno.readTextFile(`${whole}/summary.json`)));
      assert.deepEqual([summary.state, summary.steps], ["finished", 24]);
    });
    await t.step("the same seed gives the same final checkpoint, another seed another", async () => {
      assert.equal((await pretrain(store, `${folder.path}/again`)).code, 0);
      assert.equal(await finalBytes(`${folder.path}/again`), wanted);
      assert.equal((await pretrain(store, `${folder.path}/other`, ["--seed", "5"])).code, 0);
      assert.notEqual(await finalBytes(`${folder.path}/other`), wanted);
    });
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      await t.step(`${signal} saves and stops, --resume ends like an uninterrupted run`, async () => {
        const out = `${folder.path}/${signal}`;
        const firstEpoch = signalWhen(`${out}/checkpoints/latest.safetensors`, signal, 0);
        const stopped = await pretrain(store, out, [], firstEpoch);
        assert.equal(stopped.code, signal === "SIGINT" ? 130 : 143, stopped.stderr);
        const { state, steps } = JSON.parse(stopped.stdout);
        assert.equal(state, "stopped");
        assert.ok(steps >= 12 && steps < 24, `stopped at step ${steps}`);
        const resumed = await spawnSpark3d(["pretrain", "--resume", out, "--json"], {
          measured: signal === "SIGINT",
        });
        assert.equal(resumed.code, 0, resumed.stderr);
        assert.equal(await finalBytes(out), wanted);
      });
    }
    await t.step("kill -9 at any moment, --resume ends like an uninterrupted run", async () => {
      const out = `${folder.path}/killed`;
      const delayMs = Math.floor(Math.random() * 1000);
      const killed = await pretrain(
        store,
        out,
        [],
        signalWhen(`${out}/checkpoints/latest.safetensors`, "SIGKILL", delayMs),
      );
      if (killed.signal === "SIGKILL") {
        const resumed = await spawnSpark3d(["pretrain", "--resume", out, "--json"]);
        assert.equal(resumed.code, 0, resumed.stderr);
      }
      assert.equal(await finalBytes(out), wanted, `killed ${delayMs} ms after the first checkpoint`);
    });
    await t.step("a finished run is not run again", async () => {
      const { code, stdout } = await spawnSpark3d(["pretrain", "--resume", whole, "--json"]);
      assert.deepEqual([code, JSON.parse(stdout).state], [0, "finished"]);
      assert.equal(await finalBytes(whole), wanted);
    });
    await t.step("settings that change on the way stay changed", async () => {
      const resume = (...more: string[]) => spawnSpark3d(["pretrain", "--resume", whole, "--json", ...more]);
      const before = await Deno.readTextFile(`${whole}/config.json`);
      const shorter = await resume("--epochs", "1");
      assert.equal(shorter.code, 1);
      assert.match(
        shorter.stderr,
        /found 24 completed steps, wanted at most 12, 1 epochs of 12: use more epochs$/m,
      );
      assert.equal(
        await Deno.readTextFile(`${whole}/config.json`),
        before,
        "what does not start changes nothing",
      );
      const longer = await resume("--epochs", "3");
      assert.equal(longer.code, 0, longer.stderr);
      assert.deepEqual(JSON.parse((await resume()).stdout), JSON.parse(longer.stdout));
      assert.equal(JSON.parse(longer.stdout).steps, 36);
    });
  },
});

Deno.test(
  "pretrain without an adapter says so in one line",
  { ignore: Deno.build.os !== "linux" },
  async () => {
    using folder = temporaryFolder();
    const store = await prepareSmallStore(folder.path);
    const { code, stdout, stderr } = await pretrain(store, `${folder.path}/run`, [], {
      env: { DENO_WEBGPU_BACKEND: "dx12" },
    });
    assert.equal(code, 1);
    assert.equal(JSON.parse(stdout).error.name, "DeviceError");
    const errors = stderr.split("\n").filter((line) => line.startsWith("error: "));
    assert.equal(errors.length, 1, stderr);
    assert.match(errors[0], /^error: Cannot open a GPU: WebGPU found no adapter, wanted .*: install /);
  },
);
