import assert from "node:assert/strict";
import { readAdapterPeak, saveAdapterPeak } from "../../train/adapter_peak.ts";
import { withFolder } from "../support/nifti_bytes.ts";

Deno.test("saveAdapterPeak() keeps the peaks of several adapters; nothing depends on the file", () =>
  withFolder(async (folder) => {
    const before = Deno.env.get("XDG_CACHE_HOME");
    Deno.env.set("XDG_CACHE_HOME", folder);
    try {
      assert.equal(await readAdapterPeak("A"), null);
      const peak = { flopPerSecond: 1e12, bytesPerSecond: 2e11, time: 5 };
      const path = await saveAdapterPeak("A", peak);
      assert.equal(path, `${folder}/spark3d/adapter_peaks.json`);
      await saveAdapterPeak("B", { ...peak, flopPerSecond: 2e12 });
      assert.deepEqual(await readAdapterPeak("A"), peak);
      assert.equal((await readAdapterPeak("B"))?.flopPerSecond, 2e12);
      await saveAdapterPeak("A", { ...peak, flopPerSecond: 3e12 });
      assert.equal((await readAdapterPeak("A"))?.flopPerSecond, 3e12, "the newest measurement counts");
      for (const damaged of ["{", "[]", `{"A": {"flopPerSecond": -1}}`]) {
        await Deno.writeTextFile(path!, damaged);
        assert.equal(await readAdapterPeak("A"), null, damaged);
      }
      await saveAdapterPeak("B", peak);
      assert.deepEqual(await readAdapterPeak("B"), peak, "a damaged file is replaced");
    } finally {
      if (before === undefined) Deno.env.delete("XDG_CACHE_HOME");
      else Deno.env.set("XDG_CACHE_HOME", before);
    }
  }));
