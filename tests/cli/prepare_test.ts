import assert from "node:assert/strict";
import { CHUNK_PATH } from "../../data/zarr/mod.ts";
import { folderDigest } from "../support/folder_digest.ts";
import { writeSmallDataset } from "../support/small_dataset.ts";
import { spawnSpark3d, temporaryFolder } from "../support/spawn.ts";

Deno.test("prepare takes filters from a file and from options, and counts what they leave out", async () => {
  using folder = temporaryFolder();
  const at = (name: string) => `${folder.path}/${name}`;
  await writeSmallDataset(at("bids"), 5);
  const anat = (s: number) => `${at("bids")}/sub-0${s}/anat/sub-0${s}`;
  await Deno.writeTextFile(`${anat(1)}_T1w.json`, JSON.stringify({ SeriesDescription: "ep2d ADC" }));
  await Deno.rename(`${anat(2)}_T1w.nii`, `${anat(2)}_bold.nii`);
  await Deno.copyFile(`${anat(3)}_T1w.nii`, `${anat(4)}_T1w.nii`);
  await Deno.writeTextFile(
    at("filters.json"),
    JSON.stringify({ dropSeriesDescriptions: ["adc"], minFieldOfViewMm: 10 }),
  );
  const run = await spawnSpark3d([
    "prepare",
    at("bids"),
    "--out",
    at("store"),
    "--filters",
    at("filters.json"),
    "--modality",
    "T1w, T2w",
    "--drop-duplicates",
    "--workers",
    "1",
    "--resample",
    "cpu",
    "--json",
  ], { measured: true });
  assert.equal(run.code, 0, run.stderr);
  const facts = JSON.parse(run.stdout);
  assert.equal(facts.volumes, 2);
  assert.deepEqual(facts.rejectedByRule, { "series-description": 1, modality: 1, duplicate: 1 });
  assert.doesNotMatch(run.stderr, /ADC|bold/, "filters are counted, not warned about");
});

Deno.test("prepare --part, merge and verify: the bytes of a run in one piece, and exit code 1 for a damaged array", async () => {
  using folder = temporaryFolder();
  const at = (name: string) => `${folder.path}/${name}`;
  await writeSmallDataset(at("bids"), 4);
  const prepare = ["prepare", at("bids"), "--out", at("store"), "--workers", "1", "--resample", "cpu"];
  const whole = await spawnSpark3d(prepare, { measured: true });
  assert.match(
    whole.stdout,
    /^4 volumes in .* \(4 prepared, 0 there already, 0 left out\); subjects: 3 training, 1 val/,
  );
  await Deno.rename(at("store"), at("whole"));
  const merge = () => spawnSpark3d(["prepare", "merge", at("store"), "--json"], { measured: true });
  const first = await spawnSpark3d([...prepare, "--part", "0/2"], { measured: true });
  assert.match(first.stdout, /^part 0\/2: 2 volumes in .*; when all parts are done: spark3d prepare merge /);
  const early = await merge();
  assert.equal(early.code, 1);
  assert.match(JSON.parse(early.stdout).error.message, /found no result of part 1\/2/);
  assert.equal((await spawnSpark3d([...prepare, "--part", "1/2"])).code, 0);
  const merged = await merge();
  assert.deepEqual([merged.code, JSON.parse(merged.stdout).volumes], [0, 4], merged.stderr);
  assert.deepEqual(await folderDigest(at("store")), await folderDigest(at("whole")));

  const verify = () => spawnSpark3d(["prepare", "verify", at("store"), "--json"], { measured: true });
  const good = await verify();
  assert.equal(good.code, 0, good.stderr);
  const { ok, arrays, problems } = JSON.parse(good.stdout);
  assert.deepEqual([ok, arrays, problems], [true, 4, []]);
  const [{ path }] = JSON.parse(await Deno.readTextFile(at("store/store.json"))).volumes;
  const chunk = `${at("store")}/${path}/${CHUNK_PATH}`, bytes = await Deno.readFile(chunk);
  bytes[7] ^= 1;
  await Deno.writeFile(chunk, bytes);
  const bad = await verify();
  assert.equal(bad.code, 1);
  assert.deepEqual(JSON.parse(bad.stdout).problems.map(({ kind }: { kind: string }) => kind), ["damaged"]);
  assert.match(bad.stderr, /^warning: damaged: .*: found SHA-256 /m);
});

Deno.test("prepare names a wrong part, a missing store and unknown filters in one line", async () => {
  using folder = temporaryFolder();
  const cases: [string[], number, RegExp][] = [
    [["raw", "--out", "store", "--part", "2/2"], 2, /found "2\/2", wanted i\/n with i from 0 to n-1/],
    [["raw"], 2, /Required option '--out <store>' not specified/],
    [
      ["raw", "--out", "store", "--filters", "lenint"],
      1,
      /Cannot read lenint: .*wanted one of lenient, strict/,
    ],
    [["raw", "--out", "store", "--modality", ","], 2, /--modality names none/],
    [["merge"], 2, /Missing required argument 'store'/],
    [["merge", "store"], 1, /Cannot merge store: found no finished part/],
    [["verify", "store"], 1, /Cannot read store\/store\.json: found no such file/],
  ];
  for (const [args, code, text] of cases) {
    const run = await spawnSpark3d(["prepare", ...args], { cwd: folder.path, measured: true });
    assert.equal(run.code, code, `${args.join(" ")}: ${run.stderr}`);
    const lines = run.stderr.trim().split("\n");
    assert.deepEqual([lines.length, run.stdout], [1, ""], run.stderr);
    assert.match(lines[0], text);
  }
});
