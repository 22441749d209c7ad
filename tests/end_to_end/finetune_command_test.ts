import assert from "node:assert/strict";
import { finetunePaths } from "../../train/finetune/run_folder.ts";
import { hasAdapter } from "../support/gpu.ts";
import { writeSmallDataset } from "../support/small_dataset.ts";
import { spawnSpark3d, temporaryFolder } from "../support/spawn.ts";
import { blobDataset, writeBlobDataset } from "../train/finetune/tiny_finetune.ts";

const ignore = !hasAdapter || Deno.build.os === "windows";
const network = ["--network", "tiny", "--patch", "16", "--steps", "2", "--epochs", "1"];

async function run(args: readonly string[], cwd: string): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await spawnSpark3d([...args, "--json"], { cwd });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test({
  name: "spark3d pretrain, finetune --from it on two folds, killed and resumed: the same files as one run",
  ignore,
  async fn() {
    using folder = temporaryFolder();
    const { path } = folder;
    await writeSmallDataset(`${path}/bids`, 3);
    await writeBlobDataset(path, blobDataset, 5);
    await run(["pretrain", "--data", "bids", "--mask-block", "4", "--out", "pre", ...network], path);
    await Deno.writeTextFile(
      `${path}/ft.json`,
      JSON.stringify({
        schedule: { kind: "sawtooth", decoderEpochs: 1, warmupEpochs: 1 },
        epochs: 3,
        stepsPerEpoch: 8,
        validationSteps: 1,
        checkpointEveryEpochs: 1,
        metricsEvery: 2,
      }),
    );
    const start = (
      out: string,
    ) => [
      "finetune",
      "Dataset001_Blobs",
      "--from",
      "pre",
      "--fold",
      "0,1",
      "--config",
      "ft.json",
      "--out",
      out,
    ];
    const began = performance.now();
    const whole = await run(start("whole"), path);
    const ms = performance.now() - began;
    const folds = whole.folds as { transfer: { transferred: number; fresh: number }; validation: unknown }[];
    assert.equal(folds.length, 2);
    for (const { transfer, validation } of folds) {
      assert.ok(transfer.transferred > 0 && transfer.fresh > 0 && validation !== null);
    }
    assert.equal((whole.validation as { cases: number }).cases, 2);

    let args = start("killed");
    for (const share of [0.6, null]) {
      const { code, signal, stderr } = await spawnSpark3d([...args, "--json"], {
        cwd: path,
        onStart: (child) => {
          if (share === null) return;
          const timer = setTimeout(() => child.kill("SIGKILL"), share * ms);
          child.status.then(() => clearTimeout(timer));
        },
      });
      assert.ok(signal === "SIGKILL" || code === 0, stderr);
      const begun = await Deno.stat(`${path}/killed/inputs.json`).then(() => true, () => false);
      if (begun) args = ["finetune", "--resume", "killed"];
    }
    for (const fold of ["fold_0", "fold_1"]) {
      const [a, b] = ["whole", "killed"].map((out) => finetunePaths(`${path}/${out}/${fold}`));
      for (const name of ["final", "best", "transfer", "plans", "dataset"] as const) {
        const [one, other] = [a, b].map((paths) => Deno.readFileSync(paths[name]));
        assert.ok(
          one.length === other.length && one.every((byte, i) => byte === other[i]),
          `${fold} ${name}`,
        );
      }
      const segmentations = async (folder: string) =>
        (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).filter((name) =>
          name.endsWith(".nii.gz")
        );
      const names = await segmentations(a.validation);
      assert.deepEqual(await segmentations(b.validation), names);
      for (const name of names) {
        const [one, other] = [a, b].map(({ validation }) => Deno.readFileSync(`${validation}/${name}`));
        assert.deepEqual(one, other, name);
      }
    }
  },
});

Deno.test({
  name: "spark3d finetune says in one line what it cannot start from",
  ignore,
  async fn() {
    using folder = temporaryFolder();
    const { path } = folder;
    await writeBlobDataset(path, blobDataset, 3);
    const wrong: [string[], number, RegExp][] = [
      [["finetune", "Dataset001_Blobs"], 2, /--from RUN .* or --scratch/],
      [
        ["finetune", "Dataset001_Blobs", "--scratch", "--transfer-decoder"],
        2,
        /--transfer-decoder needs --from/,
      ],
      [
        ["finetune", "Dataset001_Blobs", "--from", "none"],
        1,
        /Cannot read a checkpoint from none: found no such file/,
      ],
      [["finetune", "none", "--scratch"], 1, /Cannot read the data set none: it does not exist/],
      [
        ["finetune", "Dataset001_Blobs", "--scratch", "--preset", "demo"],
        2,
        /3 cases are too few .* --fold all/,
      ],
      [["finetune", "--resume", "Dataset001_Blobs"], 1, /it is no run folder/],
    ];
    for (const [args, wanted, message] of wrong) {
      const { code, stderr } = await spawnSpark3d(args, { cwd: path });
      assert.match(stderr, message);
      assert.equal(stderr.split("\n").filter((line) => line.startsWith("error: ")).length, 1, stderr);
      assert.equal(code, wanted, stderr);
    }
    assert.deepEqual(
      await Array.fromAsync(Deno.readDir(`${path}/runs`), ({ name }) => name),
      [],
      "no run is left",
    );
  },
});
