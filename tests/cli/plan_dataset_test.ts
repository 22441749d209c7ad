import assert from "node:assert/strict";
import { type Plans, readPlans, writePlans } from "../../data/nnunet/plans.ts";
import type { Dims3 } from "../../data/volume.ts";
import { noise, type SmallCase, writeSmallDataset } from "../support/small_labelled.ts";
import { spawnSpark3d, temporaryFolder } from "../support/spawn.ts";

const SHAPE: Dims3 = [16, 16, 16];
const small = (id: string, seed: number): SmallCase => ({
  id,
  shape: SHAPE,
  images: [noise(SHAPE, seed)],
  label: (z, y) => (z > 3 && z < 12 ? 1 + y % 2 : 0),
});

Deno.test("plan-dataset checks and plans; import-plans puts other plans beside them", async () => {
  using folder = temporaryFolder();
  const at = (name: string) => `${folder.path}/${name}`;
  const name = "Dataset009_Small";
  const cases = Array.from({ length: 6 }, (_, i) => small(`c${i}`, i));
  await writeSmallDataset(at(name), cases);
  const run = (...args: string[]) => spawnSpark3d(args, { cwd: folder.path, measured: true });

  const planned = await run("plan-dataset", name, "--planner", "resenc-m", "--json");
  assert.equal(planned.code, 0, planned.stderr);
  assert.match(planned.stderr, /^reading 6 cases of Dataset009_Small$/m);
  const facts = JSON.parse(planned.stdout);
  assert.deepEqual(
    [facts.ok, facts.cases, facts.channels, facts.examined, facts.labels.outputs],
    [true, 6, ["MR0"], true, 3],
  );
  assert.equal(facts.plansFile, `prepared/${name}/nnUNetResEncUNetMPlans.json`);
  assert.deepEqual(facts.folds[0], { train: 4, val: 2 });
  const plans: Plans = await readPlans(at(facts.plansFile));
  assert.deepEqual(JSON.parse(JSON.stringify(plans)), facts.plans);

  const again = await run("plan-dataset", name, "--planner", "resenc-m");
  assert.equal(again.stderr, "");
  assert.match(again.stdout, /^Dataset009_Small: 6 cases; MR0; labels a, b$/m);
  assert.match(
    again.stdout,
    /^3d_fullres: patch 14x14x14; batch \d+; 1 x 1 x 1 mm; median case 14x14x14; Res/m,
  );
  assert.match(again.stdout, /^folds \(training \+ validation\): 4 \+ 2, 5 \+ 1, 5 \+ 1, 5 \+ 1, 5 \+ 1$/m);

  const full = plans.configurations["3d_fullres"];
  await writePlans(at("plans.json"), {
    ...plans,
    configurations: { "3d_fullres": { ...full, batch_size: 3 } },
  });
  const imported = ["import-plans", "plans.json", "--dataset", name];
  const refused = await run(...imported);
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^error: Cannot write prepared\/Dataset009_Small\/nnUNetResEncUNetMPlans\.json: other plans/,
  );
  const taken = await run(...imported, "--name", "mine", "--json");
  assert.equal(taken.code, 0, taken.stderr);
  const mine = await readPlans(at(`prepared/${name}/mine.json`));
  assert.deepEqual([mine.plans_name, mine.configurations["3d_fullres"].batch_size], ["mine", 3]);
});

Deno.test("plan-dataset gives one line for each problem and leaves no plans behind", async () => {
  using folder = temporaryFolder();
  const at = (name: string) => `${folder.path}/${name}`;
  await writeSmallDataset(at("d"), [
    { ...small("a", 1), label: () => 5 },
    { ...small("b", 2), images: [() => NaN] },
  ]);
  const run = await spawnSpark3d(["plan-dataset", "d", "--out", "p", "--json"], {
    cwd: folder.path,
    measured: true,
  });
  assert.equal(run.code, 1);
  const { ok, error } = JSON.parse(run.stdout);
  assert.deepEqual([ok, error.name, error.message.split("\n").length], [false, "DatasetError", 2]);
  const errors = run.stderr.split("\n").filter((line) => line.startsWith("error: "));
  assert.match(
    errors[0],
    /labelsTr\/a\.nii\.gz: found label value 5, wanted the values 0 to 2 of dataset\.json/,
  );
  assert.match(errors[1], /imagesTr\/b_0000\.nii\.gz: found 4096 NaN or infinite values/);
  assert.deepEqual(await Array.fromAsync(Deno.readDir(at("p"))), []);
});
