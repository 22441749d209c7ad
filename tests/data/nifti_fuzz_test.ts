import assert from "node:assert/strict";
import { fuzzImages } from "../support/fuzz_images.ts";
import { mutatedNifti } from "../support/mutate_nifti.ts";

Deno.test("1,500 mutated NIfTI files are each read or refused with a reason, none slowly, none with large arrays", async () => {
  const { files, read, preprocessed, reasons } = await fuzzImages(11, 1500);
  // The corpus is worth something only if it reaches both sides of every check.
  assert.ok(read > files / 10 && read < files * 0.9, `${read} of ${files} read`);
  assert.ok(preprocessed > files / 20, `${preprocessed} preprocessed`);
  assert.ok(reasons.size >= 15, `${reasons.size} reasons: ${[...reasons.keys()].join("; ")}`);
});

Deno.test("mutatedNifti() is a function of seed and index", () => {
  const [a, again, b] = [mutatedNifti(1, 5), mutatedNifti(1, 5), mutatedNifti(1, 6)];
  assert.equal(a.story, again.story);
  assert.equal(a.bytes.join(), again.bytes.join());
  assert.notEqual(a.story, b.story);
});
