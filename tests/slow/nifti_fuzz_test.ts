import assert from "node:assert/strict";
import { formatFuzzReport, fuzzImages } from "../support/fuzz_images.ts";

Deno.test("20,000 mutated NIfTI files are each read or refused with a reason, none slowly, none with large arrays", async () => {
  const before = Deno.memoryUsage().rss;
  const report = await fuzzImages(2026, 20_000);
  console.log(formatFuzzReport(report));
  assert.equal(report.files, 20_000);
  assert.ok(report.reasons.size >= 20);
  const grown = (Deno.memoryUsage().rss - before) / 2 ** 20;
  assert.ok(grown < 512, `the process grew by ${grown.toFixed(0)} MiB`);
});
