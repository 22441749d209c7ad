import assert from "node:assert/strict";
import { spawnSpark3d, temporaryFolder } from "../support/spawn.ts";
import { clinicalImages, writeMadeStore } from "../support/report_store.ts";

Deno.test("report writes page and figures, and says in one line or one object what the store holds", async () => {
  using folder = temporaryFolder();
  const store = `${folder.path}/store`;
  const images = clinicalImages(36, 4);
  const centres = new Set(
    images.flatMap((image) => image.rejected ? [] : image.imageInfo?.InstitutionName ?? []),
  );
  await writeMadeStore(store, { images });
  const plain = await spawnSpark3d(["report", store, "--sheet", "1"]);
  assert.equal(plain.code, 0, plain.stderr);
  const page = `${store}/report/report.html`;
  assert.equal(
    plain.stdout,
    `${page}: 33 volumes, 12 subjects, ${centres.size} centres, 3 images rejected\n`,
  );
  assert.match(plain.stderr, /^slices: 1\/1/m);
  assert.match(plain.stderr, /^warning: Cannot read .*\.zarr.*no such file/m);

  const out = `${folder.path}/new/report`;
  const args = ["report", store, "--out", out, "--sheet", "0", "--centre", "dataset", "--with-ids", "--json"];
  const { code, stdout, stderr } = await spawnSpark3d(args);
  assert.deepEqual([code, stderr], [0, ""]);
  const facts = JSON.parse(stdout);
  assert.deepEqual([facts.ok, facts.page, facts.totals.volumes, facts.centres.basis, facts.warnings], [
    true,
    `${out}/report.html`,
    33,
    "dataset",
    [],
  ]);
  for (const figure of facts.figures) assert.match(await Deno.readTextFile(figure), /^<\?xml .*\n<svg /);
  assert.match(await Deno.readTextFile(facts.page), /3 rejected images by name/);
});

Deno.test("report names what is no store, and a folder that takes no files, in one line", async () => {
  using folder = temporaryFolder();
  const path = folder.path;
  await Deno.writeTextFile(`${path}/file`, "x");
  await Deno.mkdir(`${path}/empty`);
  await writeMadeStore(`${path}/store`, { images: clinicalImages(3, 4) });
  const cases: [string[], number, RegExp][] = [
    [["none"], 1, /^error: Cannot report on none: it does not exist: check the path$/],
    [["file"], 1, /^error: Cannot report on file: it is a file, expected a folder/],
    [["empty"], 1, /^error: Cannot read empty\/store\.json: found no such file or folder/],
    [["store", "--out", "file/x"], 1, /^error: Cannot write to file\/x: a part of the path is a file/],
    [["store", "--sheet", "-1"], 2, /whole number of at least 0/],
    [["store", "--centre", "city"], 2, /Allowed choices are institution, dataset/],
    [[], 2, /^error: Missing required argument 'store'/],
  ];
  for (const [args, wanted, message] of cases) {
    const { code, stdout, stderr } = await spawnSpark3d(["report", ...args], { cwd: path });
    assert.deepEqual([code, stdout], [wanted, ""], args.join(" "));
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
    assert.match(stderr.trim(), message);
  }
});
