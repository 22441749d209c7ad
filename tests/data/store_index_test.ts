import assert from "node:assert/strict";
import { storeIndex } from "../../bench/loader/store_index.ts";
import { readStoreIndex, type StoreIndex, writeStoreIndex } from "../../data/store_index.ts";
import { withFolder } from "../support/nifti_bytes.ts";

const sha256 = "0123456789abcdef".repeat(4);

const volumes = ["a", "b"].map((id) => ({
  id,
  subject: `s${id}`,
  modality: "T1w",
  path: `${id}.zarr`,
  shape: [2, 3, 4] as const,
  spacing: [1, 0.5, 2] as const,
  bytes: 48,
  sha256,
  ...(id === "a" ? { masks: { anatomy: { path: "a__anat.zarr", bytes: 24, sha256 } } } : {}),
}));

const index = storeIndex(volumes, {
  dtype: "float16",
  rejected: [{ id: "r", file: "r.nii", reason: 'found "nothing"\nat all' }],
});

Deno.test("writeStoreIndex() writes one line for a volume, and readStoreIndex() gives back what was written", () =>
  withFolder(async (folder) => {
    await writeStoreIndex(folder, index);
    assert.deepEqual(readStoreIndex(folder), index);
    const lines = (await Deno.readTextFile(`${folder}/store.json`)).split("\n");
    assert.equal(lines.filter((line) => line.includes(sha256)).length, 2);
    assert.ok(lines.every((line) => line.length < 400));
    const empty: StoreIndex = { ...index, volumes: [], rejected: [], split: { train: [], val: [] } };
    await writeStoreIndex(folder, empty);
    assert.deepEqual(readStoreIndex(folder), empty);
  }));

Deno.test("readStoreIndex() says what is wrong with an index, and what to do with an old one", () =>
  withFolder(async (folder) => {
    const { volumes: [a, b] } = index;
    const cases: [unknown, RegExp][] = [
      [
        { ...index, version: 1 },
        /found version 1, without checksums, wanted .* version 2: prepare the data again/,
      ],
      [{ ...index, version: 3 }, /found version: /],
      [null, /found an index: Invalid input: expected object/],
      [{ ...index, dtype: "int8" }, /found dtype: /],
      [{ ...index, compression: undefined }, /found compression: /],
      [
        { ...index, volumes: [a, { ...b, shape: [2, 0, 4] }] },
        /found volumes\.1\.shape: wanted three positive whole/,
      ],
      [
        { ...index, volumes: [a, { ...b, shape: [2, 1.5, 4] }] },
        /found volumes\.1\.shape: wanted three positive whole/,
      ],
      [
        { ...index, volumes: [a, { ...b, spacing: [1, 1] }] },
        /found volumes\.1\.spacing: wanted three positive num/,
      ],
      [{ ...index, volumes: [a, { ...b, bytes: -1 }] }, /found volumes\.1\.bytes: /],
      [
        { ...index, volumes: [{ ...a, masks: { anatomy: { path: "" } } }] },
        /found volumes\.0\.masks\.anatomy\.path: /,
      ],
      [{ ...index, split: { train: [] } }, /found split\.val: /],
    ];
    for (const [value, message] of cases) {
      await Deno.writeTextFile(`${folder}/store.json`, JSON.stringify(value));
      assert.throws(() => readStoreIndex(folder), message);
    }
    await Deno.writeTextFile(`${folder}/store.json`, "{");
    assert.throws(() => readStoreIndex(folder), /found damaged JSON, wanted the index of a store/);
    assert.throws(() => readStoreIndex(`${folder}/none`), /found no such file or folder/);
  }));
