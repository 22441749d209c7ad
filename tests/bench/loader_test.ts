import assert from "node:assert/strict";
import { measureLoader } from "../../bench/loader/measure.ts";
import { writeHeadStore } from "../../bench/loader/phantom_store.ts";
import { openStore } from "../../data/store.ts";
import type { Dims3 } from "../../data/volume.ts";
import { withFolder } from "../support/nifti_bytes.ts";

Deno.test("measureLoader() counts crops of a store of linked heads", () =>
  withFolder(async (folder) => {
    const shape: Dims3 = [20, 24, 20];
    const data = Float32Array.from({ length: 9600 }, (_, i) => Math.sin(i / 50));
    await writeHeadStore(
      folder,
      [{ data, shape }, { data: data.map((value) => -value), shape }],
      "float16",
      "zstd",
    );
    using store = openStore(folder);
    const last = store.volumes.at(-1)!;
    assert.deepEqual([store.volumes.length, last.subject], [100, "s1"]);
    assert.equal(store.readBox(last, [0, 0, 1], [1, 1, 1])[0], -Math.f16round(data[1]));
    const record = await measureLoader({ store: folder, crop: 12, patch: 8, workers: 1, seconds: 0.2 });
    assert.deepEqual([record.dtype, record.compression, record.volumes], ["float16", "zstd", 100]);
    assert.ok(record.crops > 0 && record.storedShare > 0 && record.storedShare < 1, JSON.stringify(record));
    const ratio = record.megabytesPerSecond / record.cropsPerSecond;
    assert.ok(Math.abs(ratio - 4 * 12 ** 3 / 1e6) < 1e-9, `${ratio}`);
  }));
