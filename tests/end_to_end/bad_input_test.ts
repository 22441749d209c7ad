import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { hasAdapter } from "../support/gpu.ts";
import { floatVoxels, niftiBytes, type NiftiFields } from "../support/nifti_bytes.ts";
import { blobVoxels, writeSmallDataset } from "../support/small_dataset.ts";
import { spawn, type Spawned, type SpawnOptions, spawnSpark3d, temporaryFolder } from "../support/spawn.ts";

const SIZE = [12, 12, 12] as const;
const VOXELS = floatVoxels(blobVoxels(SIZE, 5));
const image = (fields: NiftiFields = {}, voxels = VOXELS) => niftiBytes({ size: SIZE, ...fields }, voxels);

/** A gzip stream that expands to more than 4 GiB: a header that promises as much, then the same zeros again and again. */
function gzipBomb(): Uint8Array {
  const member = gzipSync(new Uint8Array(64 << 20), { level: 9 });
  const header = gzipSync(image({ size: [1100, 1100, 1000] }, new Uint8Array(0)));
  const members = 74;
  const bytes = new Uint8Array(header.length + members * member.length);
  bytes.set(header);
  for (let i = 0; i < members; i++) bytes.set(member, header.length + i * member.length);
  return bytes;
}

/** Bad files by name, and what the one line about each must say: found, wanted. */
const BAD: Readonly<Record<string, readonly [Uint8Array | null, RegExp]>> = {
  "truncated.nii": [image().subarray(0, 3000), /promises 7264 bytes.*, wanted 3000 bytes of file/],
  "truncated.nii.gz": [gzipSync(image()).subarray(0, 2000), /found a gzip stream that ends early, wanted/],
  "empty.nii.gz": [new Uint8Array(0), /found an empty file, wanted a NIfTI image/],
  "text.nii": [new TextEncoder().encode("not an image ".repeat(60)), /found no NIfTI header/],
  "magic.nii": [image({ magic: "abc" }), /found magic "abc", wanted a single-file NIfTI image/],
  "four.nii": [image({ dim: [4, 12, 12, 6, 2, 1, 1, 1] }), /found shape 12x12x6x2, wanted a 3-D image/],
  "rgb.nii": [image({ datatype: 128, bits: 24 }), /found RGB24 voxels.*, wanted one real number per voxel/],
  "nan.nii": [
    image({}, floatVoxels(blobVoxels(SIZE, 6).map((v, i) => i === 800 ? NaN : v))),
    /1 NaN or infinite/,
  ],
  "infinite.nii": [
    image({}, floatVoxels(blobVoxels(SIZE, 6).map((v, i) => i > 1000 ? -Infinity : v))),
    /727 NaN or infinite values \(the first at voxel 1001\)/,
  ],
  "zero.nii": [image({}, new Uint8Array(VOXELS.length)), /found zero in every voxel, wanted/],
  "huge.nii": [
    image({ size: [20000, 20000, 20000] }),
    /promises 32000000000352 bytes.*wanted 7264 bytes of file/,
  ],
  "huge.nii.gz": [gzipSync(image({ size: [900, 900, 900] })), /all that \d+ compressed bytes can hold/],
  "zero-spacing.nii": [
    image({ pixdim: [1, 0, 1, 1, 0, 0, 0, 0] }),
    /found spacing 0 x 1 x 1, wanted three positive/,
  ],
  "negative-spacing.nii": [
    image({ pixdim: [1, 1, -1, 1, 0, 0, 0, 0] }),
    /found spacing 1 x -1 x 1, wanted three/,
  ],
  "bomb.nii.gz": [gzipBomb(), /promises 4840000352 bytes.*wanted at most 4294967296 bytes/],
  "gone.nii": [null, /found no such file or folder/],
};

async function writeBadFiles(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for (const [name, [bytes]] of Object.entries(BAD)) {
    if (bytes === null) await Deno.symlink(`${folder}/nowhere`, `${folder}/${name}`);
    else await Deno.writeFile(`${folder}/${name}`, bytes);
  }
  await Deno.mkdir(`${folder}/folder.nii.gz`);
}

const tiny = [
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

function pretrain(data: string, out: string, options: SpawnOptions = {}): Promise<Spawned> {
  return spawnSpark3d(["pretrain", "--data", data, "--out", out, ...tiny], options);
}

const lines = (text: string, start: string) => text.split("\n").filter((line) => line.startsWith(start));

/** The one line of a failed command. */
function failure(run: Spawned): string {
  assert.equal(run.code, 1, run.stderr);
  const errors = lines(run.stderr, "error: ");
  assert.equal(errors.length, 1, run.stderr);
  assert.ok(!run.stderr.includes("\n    at "), run.stderr);
  const { ok, error } = JSON.parse(run.stdout);
  assert.deepEqual([ok, `error: ${error.message}`], [false, errors[0]]);
  return errors[0];
}

Deno.test({
  name: "spark3d pretrain leaves bad files out, names each in one line and lists it in summary.json",
  ignore: !hasAdapter || Deno.build.os === "windows",
  async fn() {
    using folder = temporaryFolder();
    const data = `${folder.path}/data`;
    await writeBadFiles(data);
    for (const seed of [1, 2, 3]) {
      await Deno.writeFile(`${data}/good-${seed}.nii`, image({}, floatVoxels(blobVoxels(SIZE, seed))));
    }
    const run = await pretrain(data, `${folder.path}/run`);
    assert.equal(run.code, 0, run.stderr);
    const warnings = lines(run.stderr, "warning: ");
    for (const [name, [, text]] of Object.entries(BAD)) {
      const path = `${data}/${name}`;
      const found = warnings.filter((line) => line.startsWith(`warning: Cannot read ${path}: found `));
      assert.equal(found.length, 1, `${name}: ${warnings.join("\n")}`);
      assert.match(found[0], text);
      assert.match(found[0], /: found .+, wanted .+: .+/);
    }
    const summary = JSON.parse(await Deno.readTextFile(`${folder.path}/run/summary.json`));
    assert.deepEqual([summary.state, summary.data.volumes], ["finished", 3]);
    const rejected: { file: string; reason: string }[] = summary.data.rejected;
    assert.deepEqual(
      rejected.map(({ file }) => file).sort(),
      Object.keys(BAD).map((name) => `${data}/${name}`).sort(),
    );
    for (const { reason } of rejected) assert.ok(warnings.includes(`warning: ${reason}`), reason);
  },
});

Deno.test("spark3d pretrain and prepare give up in one line when no volume is usable", async () => {
  using folder = temporaryFolder();
  const data = `${folder.path}/data`;
  await writeBadFiles(data);
  const wanted =
    /^error: Cannot read .*\/data: found no usable image among 16 \(first: .*\), wanted at least one readable 3-D NIfTI/;
  assert.match(failure(await pretrain(data, `${folder.path}/run`)), wanted);
  assert.ok(
    !await Deno.stat(`${folder.path}/run`).then(() => true, () => false),
    "a run that never began leaves nothing",
  );
  const store = `${folder.path}/store`;
  assert.match(failure(await spawnSpark3d(["prepare", data, "--out", store, "--json"])), wanted);
  const index = JSON.parse(await Deno.readTextFile(`${store}/store.json`));
  assert.deepEqual([index.volumes.length, index.rejected.length], [0, 16], "the reasons stay in the store");
});

Deno.test("spark3d pretrain and prepare say what is wrong with folders", async () => {
  using folder = temporaryFolder();
  const at = (name: string) => `${folder.path}/${name}`;
  await Deno.mkdir(at("empty"));
  await Deno.writeTextFile(at("file"), "in the way");
  await writeSmallDataset(at("bids"), 2);
  const cases: [string, string, RegExp][] = [
    [
      at("missing"),
      at("run"),
      /^error: Cannot read the data folder .*missing: it does not exist: check the path$/,
    ],
    [
      at("file"),
      at("run"),
      /^error: Cannot read the data folder .*file: it is a file, expected a folder: check/,
    ],
    [
      at("empty"),
      at("run"),
      /^error: Cannot read .*empty: found no image \(.*\), wanted a BIDS tree .*: check the path/,
    ],
    [
      at("bids"),
      at("file/run"),
      /^error: Cannot \w+( to)? .*file\/run: a part of the path is a file: choose another/,
    ],
  ];
  if (Deno.build.os === "linux") {
    cases.push([
      at("bids"),
      "/proc/spark3d/run",
      /^error: Cannot write to \/proc\/spark3d\/run: it does not exist|permission/,
    ]);
  }
  for (const [data, out, text] of cases) {
    assert.match(failure(await pretrain(data, out)), text);
    assert.ok(!await Deno.stat(at("run")).then(() => true, () => false), `${data}: the run folder stayed`);
  }
  const missing = await spawnSpark3d(["prepare", at("missing"), "--out", at("store"), "--json"]);
  assert.match(failure(missing), /^error: Cannot read .*missing: found no such file or folder, wanted /);
  const blocked = await spawnSpark3d(["prepare", at("bids"), "--out", at("file/store"), "--json"]);
  assert.match(
    failure(blocked),
    /^error: Cannot write to .*file\/store: a part of the path is a file: choose another/,
  );
});

Deno.test({
  name: "spark3d pretrain without any Vulkan driver says what to install",
  ignore: Deno.build.os !== "linux",
  async fn() {
    using folder = temporaryFolder();
    await writeSmallDataset(`${folder.path}/bids`, 2);
    const env = {
      VK_DRIVER_FILES: "/nonexistent",
      VK_ICD_FILENAMES: "/nonexistent",
      DENO_WEBGPU_BACKEND: "vulkan",
    };
    const line = failure(await pretrain(`${folder.path}/bids`, `${folder.path}/run`, { env }));
    assert.match(
      line,
      /^error: Cannot open a GPU: WebGPU found no adapter, wanted a Vulkan.* driver: install /,
    );
  },
});

/** A small file system of one's own needs no rights inside a user and mount namespace. */
const canMount = Deno.build.os === "linux" &&
  await spawn("unshare", ["-rm", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt"])
    .then(({ code }) => code === 0, () => false);
if (!canMount) console.log("Full-disk runs are skipped: this user cannot mount a small tmpfs in a namespace");

Deno.test({
  name:
    "spark3d pretrain stops on a full disk in one line, wherever the room ends, and leaves no half-written file",
  ignore: !canMount || !hasAdapter,
  async fn(t) {
    using folder = temporaryFolder();
    const store = `${folder.path}/store`;
    await writeSmallDataset(`${folder.path}/bids`, 3);
    const prepared = await spawnSpark3d(["prepare", `${folder.path}/bids`, "--out", store]);
    assert.equal(prepared.code, 0, prepared.stderr);
    const disk = `${folder.path}/disk`;
    await Deno.mkdir(disk);
    for (const room of ["8k", "80k", "136k", "256k"]) {
      await t.step(`${room}`, async () => {
        const command = [
          Deno.execPath(),
          "run --quiet --allow-all --no-check cli/main.ts pretrain --data",
          store,
          `--out ${disk}/run`,
          ...tiny,
        ].join(" ");
        const script = `mount -t tmpfs -o size=${room} tmpfs ${disk} && { ${command}; code=$?; ` +
          `find ${disk} -name '*.tmp' >&2; exit $code; }`;
        const run = await spawn("unshare", ["-rm", "sh", "-c", script]);
        const line = failure(run);
        assert.match(line, /^error: Cannot (write|open|start|save)/, run.stderr);
        assert.match(line, /full|space|room/, run.stderr);
        assert.ok(!run.stderr.includes(".tmp\n"), run.stderr);
      });
    }
  },
});
