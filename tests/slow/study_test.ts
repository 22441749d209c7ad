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
};

Deno.test({
  name:
    "study low-data runs whole, opens the test cases with --final only, and a second call does nothing again",
  ignore: !hasAdapter,
  async fn() {
    using folder = temporaryFolder();
    const study = `${folder.path}/study`, config = `${folder.path}/study.json`;
    await Deno.writeTextFile(config, JSON.stringify(settings));
    const call = async (...options: string[]) => {
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
    assert.ok(first.scores.every(({ subset }: { subset: string }) => subset === "development"));
    assert.deepEqual(first.finalUses, []);
    await assert.rejects(() => Deno.stat(`${study}/locked`), Deno.errors.NotFound);
    const checkpoint = `${study}/runs/lesions/s3d/n2/seed1/checkpoints/final.safetensors`;
    const written = (await Deno.stat(checkpoint)).mtime;
    const last = await call("--final");
    assert.equal(last.scores.filter(({ subset }: { subset: string }) => subset === "test").length, 6);
    assert.equal(last.finalUses.length, 1);
    assert.deepEqual((await Deno.stat(checkpoint)).mtime, written);
    assert.deepEqual(
      last.scores.filter(({ subset }: { subset: string }) => subset === "development"),
      first.scores,
    );
  },
});
