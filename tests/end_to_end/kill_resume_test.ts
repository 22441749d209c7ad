import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { hasAdapter } from "../support/gpu.ts";
import { writeSmallDataset } from "../support/small_dataset.ts";
import { spawnSpark3d, temporaryFolder } from "../support/spawn.ts";

const MOST_KILLS = 4;

async function sha256(path: string): Promise<string> {
  return createHash("sha256").update(await Deno.readFile(path)).digest("hex");
}

Deno.test({
  name:
    "spark3d pretrain: killed at random moments, even while preparing, and resumed: the same files as one run",
  ignore: !hasAdapter || Deno.build.os === "windows",
  async fn() {
    using folder = temporaryFolder();
    await writeSmallDataset(`${folder.path}/bids`, 6);
    const config = `${folder.path}/run.json`;
    await Deno.writeTextFile(
      config,
      JSON.stringify({
        preset: "demo",
        network: { preset: "tiny", features: [4, 6], blocks: [1, 1] },
        patch: [16, 16, 16],
        mask: { block: 4 },
        batch: { size: 2 },
        epochs: 4,
        stepsPerEpoch: 6,
        schedule: { kind: "poly" },
        validation: { patches: 2, everyEpochs: 1 },
        checkpointEveryEpochs: 1,
        metricsEvery: 2,
        augmentation: { rotationProbability: 0.5, scaleProbability: 0.5 },
      }),
    );
    const start = (
      out: string,
    ) => ["pretrain", "--data", `${folder.path}/bids`, "--config", config, "--out", out, "--json"];
    const whole = `${folder.path}/whole`;
    const uninterrupted = await spawnSpark3d(start(whole));
    assert.equal(uninterrupted.code, 0, uninterrupted.stderr);
    const seconds = uninterrupted.seconds;

    const out = `${folder.path}/killed`;
    const delays: number[] = [];
    let args = start(out);
    for (let finished = false; !finished;) {
      const delayMs = delays.length < MOST_KILLS
        ? Math.floor((0.1 + Math.random() * 0.7) * seconds * 1000)
        : null;
      const run = await spawnSpark3d(args, {
        onStart: (child) => {
          if (delayMs === null) return;
          const timer = setTimeout(() => child.kill("SIGKILL"), delayMs);
          child.status.then(() => clearTimeout(timer));
        },
      });
      if (delayMs !== null) delays.push(delayMs);
      finished = run.signal !== "SIGKILL";
      assert.ok(!finished || run.code === 0, `after kills at ${delays} ms: ${run.stderr}`);
      const begun = await Deno.stat(`${out}/inputs.json`).then(() => true, () => false);
      if (begun) args = ["pretrain", "--resume", out, "--json"];
      else await Deno.remove(out, { recursive: true }).catch(() => {}); // killed before the run folder was made
    }
    console.log(`killed after ${delays.join(", ")} ms; an uninterrupted run takes ${seconds.toFixed(1)} s`);
    for (const name of ["final", "best"]) {
      const path = `checkpoints/${name}.safetensors`;
      assert.equal(
        await sha256(`${out}/${path}`),
        await sha256(`${whole}/${path}`),
        `${path} after kills at ${delays} ms`,
      );
    }
    const summaryOf = async (run: string) => {
      const { seconds: _, ...figures } = JSON.parse(await Deno.readTextFile(`${run}/summary.json`));
      return figures;
    };
    assert.deepEqual(await summaryOf(out), await summaryOf(whole));
    const names = async (run: string, path: string) =>
      (await Array.fromAsync(Deno.readDir(`${run}/${path}`), (entry) => entry.name)).sort();
    for (const path of ["checkpoints", "pictures", "slices"]) {
      assert.deepEqual(await names(out, path), await names(whole, path));
    }
    assert.deepEqual((await names(out, ".")).filter((name) => name.endsWith(".tmp")), []);
    assert.deepEqual(
      await Deno.readFile(`${out}/reconstruction.png`),
      await Deno.readFile(`${whole}/reconstruction.png`),
    );
  },
});

Deno.test({
  name:
    "spark3d pretrain: stopped while preparing, it exits with the signal's code, and --resume prepares the rest",
  ignore: !hasAdapter || Deno.build.os === "windows",
  async fn() {
    using folder = temporaryFolder();
    await writeSmallDataset(`${folder.path}/bids`, 120);
    const out = `${folder.path}/run`;
    const small = [
      "--network",
      "tiny",
      "--patch",
      "16",
      "--mask-block",
      "4",
      "--epochs",
      "1",
      "--steps",
      "2",
      "--json",
    ];
    const stopped = await spawnSpark3d(
      ["pretrain", "--data", `${folder.path}/bids`, "--out", out, ...small],
      {
        onStart: async (child) => {
          const begun = () => Deno.stat(`${out}/store/nnsslPlans.json`).then(() => true, () => false);
          while (!await begun()) await new Promise((done) => setTimeout(done, 5));
          child.kill("SIGTERM");
        },
      },
    );
    assert.equal(stopped.code, 143, stopped.stderr);
    assert.match(stopped.stderr, /SIGTERM: saving and stopping/);
    assert.ok(!await Deno.stat(`${out}/store/store.json`).then(() => true, () => false), "stopped too late");
    const resumed = await spawnSpark3d(["pretrain", "--resume", out, "--json"]);
    assert.equal(resumed.code, 0, resumed.stderr);
    const { state, steps, data } = JSON.parse(resumed.stdout);
    assert.deepEqual([state, steps, data.volumes], ["finished", 2, 120]);
  },
});
