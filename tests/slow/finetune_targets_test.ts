/** What fine-tuning must reach in minutes on a software driver: whole runs of the command line. */
import assert from "node:assert/strict";
import { writePhantomDataset } from "../../data/phantom/labelled_dataset.ts";
import { writeHalfHead } from "../../cli/study/half_heads.ts";
import { sharedDataTest } from "../support/shared_data.ts";
import { spawnSpark3d, temporaryFolder } from "../support/spawn.ts";

async function run(args: readonly string[], cwd: string): Promise<Record<string, unknown>> {
  const { code, stdout, stderr, seconds } = await spawnSpark3d([...args, "--json"], { cwd });
  assert.equal(code, 0, stderr);
  console.log(`spark3d ${args.join(" ")}: ${seconds.toFixed(0)} s`);
  return JSON.parse(stdout);
}

/** Changes the voxel size of a data set's plans, as a user would who edits the file. */
async function setSpacing(file: string, mm: number): Promise<void> {
  const plans = JSON.parse(await Deno.readTextFile(file));
  const { configurations: { "3d_fullres": plan } } = plans;
  plan.spacing = [mm, mm, mm];
  plan.data_identifier = `spacing_${mm}`;
  await Deno.writeTextFile(file, JSON.stringify(plans));
}

sharedDataTest(
  "left half of a head trains, right half tests: foreground Dice above 0.75 after ten minutes at most",
  async (shared) => {
    using folder = temporaryFolder();
    const { path } = folder;
    const names = `${shared}/bids/derivatives/labels/label-structures.json`;
    const { labels } = JSON.parse(await Deno.readTextFile(names)) as { labels: Record<string, number> };
    const classes = Object.keys(labels).filter((name) => labels[name] > 0).sort((a, b) =>
      labels[a] - labels[b]
    );
    for (const side of ["left", "right"] as const) {
      await writeHalfHead({
        image: `${shared}/bids/sub-05/anat/sub-05_T1w.nii.gz`,
        label: `${shared}/bids/derivatives/labels/sub-05/anat/sub-05_label-structures_dseg.nii.gz`,
        classes,
        side,
        out: `${path}/${side}`,
      });
    }
    const { plansFile } = await run(["plan-dataset", "left", "--out", "prepared/left"], path);
    await setSpacing(`${path}/${plansFile}`, 2);
    const started = performance.now();
    const preset = ["--preset", "demo", "--patch", "48,48,32", "--epochs", "24"];
    await run(["finetune", "left", "--scratch", "--fold", "all", "--out", "run", ...preset], path);
    const minutes = (performance.now() - started) / 6e4;
    await run(["predict", "right/imagesTr", "--model", "run", "--out", "segmented"], path);
    const evaluated = await run(["evaluate", "segmented", "--labels", "right/labelsTr"], path);
    console.log(JSON.stringify(evaluated).slice(0, 600), `${minutes.toFixed(1)} minutes of training`);
    const { foreground_mean } = evaluated as { foreground_mean: { Dice: number } };
    assert.ok(foreground_mean.Dice > 0.75, `Dice ${foreground_mean.Dice}`);
    assert.ok(minutes < 10, `${minutes} minutes`);
  },
);

/** Wider than the preset, with Dice of the batch: rare structures are learnt within hundreds of steps instead of thousands. */
const phantomSettings = {
  network: { features: [8, 16, 32, 64] },
  patch: [32, 32, 32],
  optimizer: { kind: "adamw", lr: 0.01, beta2: 0.95, weightDecay: 0.01 },
  batch: { size: 2, micro: 2 },
  batchDice: true,
  epochs: 24,
  stepsPerEpoch: 100,
  validationSteps: 10,
  metricsEvery: 25,
};

Deno.test("twenty generated heads: foreground Dice of the fold's whole cases above 0.85", async () => {
  using folder = temporaryFolder();
  const { path } = folder;
  await writePhantomDataset({
    out: `${path}/heads`,
    task: "structures",
    subjects: 20,
    seed: 7,
    spacing: [3, 3, 3],
  });
  await Deno.writeTextFile(`${path}/settings.json`, JSON.stringify(phantomSettings));
  const { validation } = await run(
    ["finetune", "heads", "--scratch", "--preset", "demo", "--config", "settings.json", "--out", "run"],
    path,
  ) as { validation: { meanDice: number; cases: number } };
  console.log(JSON.stringify(validation));
  assert.equal(validation.cases, 4);
  assert.ok(validation.meanDice > 0.85, `Dice ${validation.meanDice}`);
});
