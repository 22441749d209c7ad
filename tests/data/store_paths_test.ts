import assert from "node:assert/strict";
import type { PretrainEntry } from "../../data/pretrain_data.ts";
import { maskPath, preparedPaths } from "../../data/store_paths.ts";

function entry(subject: string, name: string): PretrainEntry {
  return {
    collection: "..",
    dataset: "a/b",
    subject,
    session: "",
    image: { name, image_path: "", modality: "T1w", image_info: null, associated_masks: null },
    imageId: `${subject}${name}`,
    subjectId: subject,
  };
}

const below = "_/a_b/s/_";
const pathsOf = (...entries: PretrainEntry[]) => [...preparedPaths(entries).values()];

Deno.test("preparedPaths() stays inside the store and apart", () => {
  assert.deepEqual(
    pathsOf(entry("s:1", "x.nii"), entry("s?1", "x.nii.gz"), entry("s1", "X.nii")),
    ["_/a_b/s_1/_/x.zarr", "_/a_b/s_1/_/x-2.zarr", "_/a_b/s1/_/X.zarr"],
  );
});

Deno.test("preparedPaths() keeps images apart from each other's masks and numbers", () => {
  assert.deepEqual(
    pathsOf(entry("s", "x.nii"), entry("s", "x__anat.nii"), entry("s", "x-2.nii"), entry("s", "X .nii")),
    ["x.zarr", "x__anat-2.zarr", "x-2.zarr", "X_.zarr"].map((name) => `${below}/${name}`),
  );
  assert.deepEqual(
    pathsOf(entry("s", "y-2.nii"), entry("s", "y.nii"), entry("s", "Y.nii"), entry("s", "y?.nii")),
    ["y-2.zarr", "y.zarr", "Y-3.zarr", "y_.zarr"].map((name) => `${below}/${name}`),
  );
  assert.equal(maskPath(`${below}/x.zarr`, "anonymization"), `${below}/x__anon.zarr`);
});

Deno.test("preparedPaths() cuts long names to what file systems take and stays fast when all names meet", () => {
  const [long] = pathsOf(entry("s", `${"脳".repeat(200)}.nii`));
  assert.equal(long, `${below}/${"脳".repeat(40)}.zarr`);
  const same = Array.from({ length: 20_000 }, (_, i) => ({ ...entry("s", "z.nii"), imageId: `${i}` }));
  const paths = preparedPaths(same);
  assert.equal(new Set(paths.values()).size, 20_000);
  assert.equal(paths.get("19999"), `${below}/z-20000.zarr`);
});
