import assert from "node:assert/strict";
import { writeNifti } from "../../data/formats/nifti/write_nifti.ts";
import { diagonalAffine, makeVolume } from "../../data/volume.ts";
import { spawnSpark3d, temporaryFolder } from "../support/spawn.ts";

/** Writes a label map of 6^3: label 1 in the first planes, label 2 in the next ones. */
async function writeMap(path: string, first: number, second: number): Promise<void> {
  const data = Float32Array.from({ length: 216 }, (_, i) => {
    const z = Math.floor(i / 36);
    return z < first ? 1 : z < first + second ? 2 : 0;
  });
  await writeNifti(path, makeVolume(data, [6, 6, 6], diagonalAffine([1, 1, 1])), { dtype: "uint8" });
}

/** A data set with two cases and predictions for them. */
async function writeDataset(folder: string): Promise<void> {
  await Deno.mkdir(`${folder}/labelsTr`);
  await Deno.mkdir(`${folder}/seg`);
  const labels = { background: 0, left: 1, right: 2 };
  await Deno.writeTextFile(`${folder}/dataset.json`, JSON.stringify({ labels }));
  for (const id of ["a", "b"]) await writeMap(`${folder}/labelsTr/${id}.nii.gz`, 2, 2);
  await writeMap(`${folder}/seg/a.nii.gz`, 2, 2);
  await writeMap(`${folder}/seg/b.nii.gz`, 1, 3);
}

Deno.test("evaluate finds the data set's labels, writes summary.json and metrics.csv and prints means", async () => {
  using folder = temporaryFolder();
  await writeDataset(folder.path);
  const cwd = folder.path;
  const plain = await spawnSpark3d(["evaluate", "seg", "--labels", "labelsTr", "--jobs", "1"], { cwd });
  assert.equal(plain.code, 0, plain.stderr);
  const lines = plain.stdout.trimEnd().split("\n");
  assert.match(lines[0], /^class +cases +Dice +IoU +NSD +HD95 +ASSD$/);
  assert.match(lines[1], /^left +2 +0\.8333 +0\.7500/);
  assert.match(lines[3], /^mean +0\.8667/);
  assert.equal(lines[4], "seg/summary.json");
  const summary = JSON.parse(await Deno.readTextFile(`${cwd}/seg/summary.json`));
  assert.deepEqual(summary.classes.map(({ name }: { name: string }) => name), ["left", "right"]);
  assert.match(await Deno.readTextFile(`${cwd}/seg/metrics.csv`), /^b,right,2,0\.8,/m);

  const args = [
    "evaluate",
    "seg",
    "--labels",
    "labelsTr",
    "--out",
    "new",
    "--cases",
    "b",
    "--json",
    "--jobs",
    "1",
  ];
  const some = await spawnSpark3d([...args, "--tolerance", "right=0.5", "--classes", "left=1,right=1+2"], {
    cwd,
  });
  assert.equal(some.code, 0, some.stderr);
  const found = JSON.parse(some.stdout);
  assert.deepEqual([found.ok, found.summary, found.cases], [true, "new/summary.json", 1]);
  assert.deepEqual([found.mean["(1, 2)"].Dice, found.mean["(1, 2)"].NSD], [1, 1]);
  const { classes } = JSON.parse(await Deno.readTextFile(`${cwd}/new/summary.json`));
  assert.deepEqual(classes.map((item: { tolerance: number }) => item.tolerance), [1, 0.5]);

  const counts = await spawnSpark3d(["evaluate", "seg", "--labels", "labelsTr", "--no-surface"], { cwd });
  assert.match(counts.stdout, /^class +cases +Dice +IoU\n/);
});

Deno.test("evaluate refuses what it cannot use in one line", async () => {
  using folder = temporaryFolder();
  await writeDataset(folder.path);
  const cwd = folder.path;
  await Deno.mkdir(`${cwd}/deep/seg`, { recursive: true });
  await Deno.mkdir(`${cwd}/deep/ref`);
  await writeMap(`${cwd}/labelsTr/c.nii.gz`, 2, 2);
  const cases: [string[], number, RegExp][] = [
    [["none", "--labels", "labelsTr"], 1, /^error: Cannot evaluate none: it does not exist/],
    [["seg", "--labels", "none"], 1, /^error: Cannot evaluate against none: it does not exist/],
    [["seg", "--labels", "labelsTr"], 1, /seg: found no prediction for 1 case \(c\) of 3/],
    [["deep/seg", "--labels", "deep/ref"], 1, /found no dataset\.json beside deep\/ref or deep\/seg/],
    [
      ["seg", "--labels", "labelsTr", "--classes", "1", "--cases", "a"],
      1,
      /undeclared label value 2 in 72 voxels/,
    ],
    [
      ["seg", "--labels", "labelsTr", "--tolerance", "up=1"],
      2,
      /Cannot use tolerance up: .* one of left, right/,
    ],
    [["seg", "--labels", "labelsTr", "--tolerance", "1,2,3"], 2, /Cannot use 3 tolerances/],
    [["seg", "--labels", "labelsTr", "--tolerance", "-1"], 2, /Expected distances in mm/],
    [["seg", "--labels", "labelsTr", "--classes", "1,x"], 2, /Expected label values such as/],
    [["seg"], 2, /Required option '--labels <folder>' not specified/],
  ];
  for (const [args, wanted, message] of cases) {
    const { code, stdout, stderr } = await spawnSpark3d(["evaluate", ...args], { cwd });
    assert.deepEqual([code, stdout], [wanted, ""], `${args.join(" ")} ${stderr}`);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
    assert.match(stderr.trim(), message);
  }
});

Deno.test("postprocess finds steps on predictions with references and applies them", async () => {
  using folder = temporaryFolder();
  await writeDataset(folder.path);
  const cwd = folder.path;
  const found = await spawnSpark3d(
    ["postprocess", "seg", "--labels", "labelsTr", "--save", "new/steps.json"],
    { cwd },
  );
  assert.equal(found.code, 0, found.stderr);
  assert.match(
    found.stdout,
    /^refused {2}foreground: Dice 0\.8667 -> 0\.8667\nrefused {2}left: .*\nnew\/steps\.json\n$/s,
  );
  const step = { kind: "keep-largest-component", name: "left", values: [1] };
  await Deno.writeTextFile(`${cwd}/steps.json`, JSON.stringify({ steps: [step] }));
  const applied = await spawnSpark3d([
    "postprocess",
    "seg",
    "--apply",
    "steps.json",
    "--out",
    "kept",
    "--json",
  ], { cwd });
  assert.equal(applied.code, 0, applied.stderr);
  assert.deepEqual(JSON.parse(applied.stdout), { ok: true, out: "kept", steps: [step], changed: [] });
  assert.deepEqual([...Deno.readDirSync(`${cwd}/kept`)].map(({ name }) => name).sort(), [
    "a.nii.gz",
    "b.nii.gz",
  ]);
  const wrong = await spawnSpark3d(["postprocess", "seg", "--labels", "labelsTr"], { cwd });
  assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
  assert.match(wrong.stderr, /wanted --labels FOLDER --save FILE to find steps/);
});

Deno.test("compare writes a report from evaluations and refuses those that do not fit", async () => {
  using folder = temporaryFolder();
  await writeDataset(folder.path);
  const cwd = folder.path;
  await Deno.mkdir(`${cwd}/best`);
  for (const id of ["a", "b"]) {
    await Deno.copyFile(`${cwd}/labelsTr/${id}.nii.gz`, `${cwd}/best/${id}.nii.gz`);
  }
  for (const seg of ["seg", "best"]) {
    const { code, stderr } = await spawnSpark3d(["evaluate", seg, "--labels", "labelsTr"], { cwd });
    assert.equal(code, 0, stderr);
  }
  const left = ["evaluate", "seg", "--labels", "labelsTr", "--cases", "a", "--out", "one"];
  assert.equal((await spawnSpark3d(left, { cwd })).code, 0);
  const args = ["compare", "ours=best", "theirs=seg/summary.json", "--out", "report", "--baseline", "theirs"];
  const plain = await spawnSpark3d([...args, "--datasets", "made"], { cwd });
  assert.equal(plain.code, 0, plain.stderr);
  assert.match(
    plain.stdout,
    /^ours: Dice 1\.0000 .*, mean rank 1\ntheirs: Dice 0\.8667 .*, mean rank 2\nreport\/report\.html\n$/,
  );
  assert.match(await Deno.readTextFile(`${cwd}/report/report.html`), /<h3>made<\/h3>/);
  const cases: [string[], number, RegExp][] = [
    [["ours=best"], 2, /wanted at least two methods/],
    [["ours=best", "theirs=seg", "--baseline", "x"], 2, /compare with x: found no such method/],
    [["ours=best", "theirs=seg", "theirs=seg"], 2, /found 1 and 2 evaluations/],
    [["ours=best", "theirs=seg", "--datasets", "p,q"], 2, /found 2 names/],
    [["ours", "theirs=seg"], 2, /Expected METHOD=SUMMARY/],
    [
      ["ours=best", "theirs=one"],
      1,
      /Cannot compare methods on best: found case b with ours or with theirs only/,
    ],
    [["ours=best", "theirs=none"], 1, /Cannot read none\/summary\.json: found no such file/],
    [["ours=best", "theirs=dataset.json"], 1, /Cannot read dataset\.json: found no foreground_mean/],
  ];
  for (const [given, wanted, message] of cases) {
    const { code, stdout, stderr } = await spawnSpark3d(["compare", ...given, "--out", "x"], { cwd });
    assert.deepEqual([code, stdout], [wanted, ""], stderr);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
    assert.match(stderr, message);
  }
});
