import assert from "node:assert/strict";
import { hasAdapter } from "../support/gpu.ts";
import { repositoryRoot, spawn, temporaryFolder } from "../support/spawn.ts";

const settings = {
  tasks: ["lesions"],
  labelled: [1, 2],
  seeds: 2,
  spacing: 6,
  cohort: { unlabelled: 4, pool: 2, development: 1, test: 2 },
  pretraining: {
    patch: [16, 16, 16],
    mask: { block: 8 },
    epochs: 2,
    stepsPerEpoch: 2,
    validation: { patches: 2, everyEpochs: 2 },
  },
  finetuning: { epochs: 2, stepsPerEpoch: 2, validationSteps: 1, schedule: { kind: "default" } },
  candidates: {
    mae: [{ name: "encoder" }, {
      name: "both",
      transferDecoder: true,
      finetuning: { optimizer: { lr: 1e-3 } },
    }],
  },
};

Deno.test({
  name:
    "study low-data runs whole, opens the test cases with --final only, does nothing twice, and two at once change nothing",
  ignore: !hasAdapter,
  async fn() {
    using folder = temporaryFolder();
    const study = `${folder.path}/study`, config = `${folder.path}/study.json`;
    await Deno.writeTextFile(config, JSON.stringify(settings));
    const call = (...options: string[]) => callIn(study, ...options);
    const callIn = async (study: string, ...options: string[]) => {
      const run = await spawn(Deno.execPath(), [
        "run",
        "--allow-all",
        `${repositoryRoot}/cli/main.ts`,
        ...["study", "low-data", "--out", study, "--json", ...options],
      ]);
      assert.equal(run.code, 0, run.stderr);
      return JSON.parse(run.stdout);
    };
    const first = await call("--config", config);
    assert.equal(first.scores.length, 6);
    assert.equal(first.choices[1].scores.length, 2);
    assert.ok(first.scores.every(({ subset }: { subset: string }) => subset === "development"));
    assert.deepEqual(first.finalUses, []);
    await assert.rejects(() => Deno.stat(`${study}/locked`), Deno.errors.NotFound);
    const checkpoint = `${study}/runs/lesions/s3d/n2/seed1/checkpoints/final.safetensors`;
    const written = (await Deno.stat(checkpoint)).mtime;
    const last = await call("--final");
    assert.equal(last.scores.filter(({ subset }: { subset: string }) => subset === "test").length, 6);
    assert.equal(last.finalUses.length, 1);
    assert.deepEqual((await Deno.stat(checkpoint)).mtime, written);
    const beside = `${folder.path}/beside`;
    const together = await callIn(beside, "--config", config, "--jobs", "2");
    assert.deepEqual(together.scores, first.scores);
    const bytes = await Promise.all([study, beside].map(async (path) => {
      const file = await Deno.readFile(checkpoint.replace(study, path));
      const header = 8 + Number(new DataView(file.buffer).getBigUint64(0, true)); // names the study's folder
      return new Uint8Array(await crypto.subtle.digest("SHA-256", file.subarray(header))).toHex();
    }));
    assert.equal(bytes[0], bytes[1], "tensors of a study with two networks at once");
    assert.deepEqual(
      last.scores.filter(({ subset }: { subset: string }) => subset === "development"),
      first.scores,
    );
  },
});
