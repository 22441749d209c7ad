import assert from "node:assert/strict";
import { writeNifti } from "../../data/formats/nifti/write_nifti.ts";
import { readImage } from "../../data/formats/mod.ts";
import { hashRandom } from "../../data/random.ts";
import { diagonalAffine, type Dims3, makeVolume } from "../../data/volume.ts";
import {
  applySteps,
  findPostprocessing,
  postprocessFolder,
  readPostprocessing,
  writePostprocessing,
} from "../../evaluate/mod.ts";
import { keepLargestComponent } from "../../evaluate/postprocess/components.ts";
import { temporaryFolder } from "../support/spawn.ts";

/** Largest component by flooding, voxel by voxel; all of the same largest size. */
function naiveLargest(mask: Uint8Array, [d, h, w]: Dims3): Uint8Array {
  const component = new Int32Array(mask.length).fill(-1);
  const sizes: number[] = [];
  for (let seed = 0; seed < mask.length; seed++) {
    if (!mask[seed] || component[seed] >= 0) continue;
    const waiting = [seed];
    component[seed] = sizes.length;
    sizes.push(0);
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      sizes[sizes.length - 1]++;
      const z = Math.floor(at / (h * w)), y = Math.floor(at / w) % h, x = at % w;
      for (let a = Math.max(0, z - 1); a <= Math.min(d - 1, z + 1); a++) {
        for (let b = Math.max(0, y - 1); b <= Math.min(h - 1, y + 1); b++) {
          for (let c = Math.max(0, x - 1); c <= Math.min(w - 1, x + 1); c++) {
            const next = (a * h + b) * w + c;
            if (!mask[next] || component[next] >= 0) continue;
            component[next] = sizes.length - 1;
            waiting.push(next);
          }
        }
      }
    }
  }
  const largest = Math.max(0, ...sizes);
  return mask.map((_, i) => component[i] >= 0 && sizes[component[i]] === largest ? 1 : 0);
}

Deno.test("keepLargestComponent() keeps what flooding keeps, ties and touching corners included", () => {
  for (let trial = 0; trial < 80; trial++) {
    const random = hashRandom(8, trial);
    const shape: Dims3 = [random.int(1, 8), random.int(1, 8), random.int(1, 9)];
    const share = [0.02, 0.08, 0.2, 0.5][trial % 4];
    const mask = Uint8Array.from(
      { length: shape[0] * shape[1] * shape[2] },
      () => random.uniform() < share ? 1 : 0,
    );
    const wanted = naiveLargest(mask, shape);
    const voxels = (of: Uint8Array) => of.reduce((sum, value) => sum + value, 0);
    const before = voxels(mask);
    const cleared = keepLargestComponent(mask, shape);
    assert.deepEqual([...mask], [...wanted]);
    assert.equal(cleared, before - voxels(mask));
  }
});

const SHAPE: Dims3 = [6, 8, 10];

/** A map with the given boxes: label, start, size. */
function boxes(...list: [number, Dims3, Dims3][]): Float32Array {
  const map = new Float32Array(480);
  for (const [label, [z0, y0, x0], [d, h, w]] of list) {
    for (let z = z0; z < z0 + d; z++) {
      for (let y = y0; y < y0 + h; y++) map.fill(label, (z * 8 + y) * 10 + x0, (z * 8 + y) * 10 + x0 + w);
    }
  }
  return map;
}

Deno.test("applySteps() takes the labels of a step together and leaves the others", () => {
  const data = Uint8Array.from(
    boxes([1, [0, 0, 0], [3, 3, 3]], [2, [3, 0, 0], [2, 2, 2]], [2, [0, 6, 7], [3, 2, 3]]),
  );
  const keep = (values: number[]) =>
    applySteps({ data, shape: SHAPE }, [{ kind: "keep-largest-component", name: "x", values }]);
  const counts = (labels: ArrayLike<number>) =>
    [1, 2].map((label) => Array.from(labels).filter((value) => value === label).length);
  assert.deepEqual(counts(keep([1, 2])), [27, 8]); // the far box of label 2 goes, the one that touches label 1 stays
  assert.deepEqual(counts(keep([2])), [27, 18]);
  assert.equal(keep([1]), data);
});

async function writeMap(path: string, data: Float32Array): Promise<void> {
  await writeNifti(path, makeVolume(data, SHAPE, diagonalAffine([1, 1, 2], [5, 6, 7])), { dtype: "uint8" });
}

Deno.test("findPostprocessing() accepts what helps on all cases and applies it with the geometry of the input", async () => {
  using folder = temporaryFolder();
  const [pred, ref] = [`${folder.path}/pred`, `${folder.path}/ref`];
  await Deno.mkdir(pred);
  await Deno.mkdir(ref);
  // Label 1 is one box, label 2 two boxes apart: the stray of label 1 is an error, the second box of label 2 is not.
  const whole: [number, Dims3, Dims3][] = [
    [1, [0, 0, 0], [3, 3, 3]],
    [2, [0, 0, 4], [3, 3, 2]],
    [2, [5, 5, 0], [1, 2, 2]],
  ];
  for (const id of ["a", "b"]) {
    await writeMap(`${ref}/${id}.nii.gz`, boxes(...whole));
    await writeMap(`${pred}/${id}.nii.gz`, boxes(...whole, [1, [4, 6, 8], [1, 1, 2]]));
  }
  const classes = [{ name: "one", values: [1] }, { name: "two", values: [2] }];
  const found = await findPostprocessing({ folders: [{ predictions: pred, labels: ref }], classes });
  assert.deepEqual(found.steps.map(({ name }) => name), ["one"]);
  assert.deepEqual(found.tried.map(({ accepted }) => accepted), [false, true, false]);
  assert.deepEqual(found.tried[1].after, [1, 1]);
  assert.equal(found.cases, 2);

  const path = `${folder.path}/postprocessing.json`;
  await writePostprocessing(path, found);
  const steps = await readPostprocessing(path);
  assert.deepEqual(steps, found.steps);
  const out = `${folder.path}/out`;
  assert.deepEqual(await postprocessFolder({ segmentations: pred, out, steps }), ["a", "b"]);
  const [result, reference] = [await readImage(`${out}/a.nii.gz`), await readImage(`${ref}/a.nii.gz`)];
  assert.deepEqual([...result.data], [...reference.data]);
  assert.deepEqual(result.affine, reference.affine);
  assert.deepEqual(await postprocessFolder({ segmentations: ref, out, steps }), []);

  await Deno.copyFile(`${pred}/a.nii.gz`, `${pred}/a.nii`);
  await assert.rejects(
    postprocessFolder({ segmentations: pred, out, steps }),
    /^DataError: Cannot post-process .*: found a\.nii and a\.nii\.gz, wanted one file a case/,
  );
  await Deno.remove(`${pred}/a.nii`);
  const twice = [pred, pred].map((predictions) => ({ predictions, labels: ref }));
  await assert.rejects(
    findPostprocessing({ folders: twice, classes }),
    /^DataError: Cannot find post-processing with .*: found a, which another folder predicts as well/,
  );
  await Deno.writeTextFile(path, '{"steps": [{"kind": "grow"}]}');
  await assert.rejects(readPostprocessing(path), /found no "steps" that this program knows/);
  await writeNifti(
    `${ref}/b.nii.gz`,
    makeVolume(new Float32Array(480).fill(0.5), SHAPE, diagonalAffine([1, 1, 2])),
  );
  await assert.rejects(
    postprocessFolder({ segmentations: ref, out, steps }),
    /post-process .*found value 0.5/,
  );
});

Deno.test("findPostprocessing() joins all foreground first where one organ is all there is", async () => {
  using folder = temporaryFolder();
  const [pred, ref] = [`${folder.path}/pred`, `${folder.path}/ref`];
  await Deno.mkdir(pred);
  await Deno.mkdir(ref);
  const organ: [number, Dims3, Dims3][] = [[1, [0, 0, 0], [3, 3, 3]], [2, [0, 0, 3], [3, 3, 3]]];
  await writeMap(`${ref}/a.nii`, boxes(...organ));
  await writeMap(`${pred}/a.nii`, boxes(...organ, [1, [4, 6, 8], [1, 1, 2]], [2, [4, 6, 0], [1, 1, 2]]));
  const classes = [{ name: "one", values: [1] }, { name: "two", values: [2] }];
  const found = await findPostprocessing({ folders: [{ predictions: pred, labels: ref }], classes });
  assert.deepEqual(found.steps, [{ kind: "keep-largest-component", name: "foreground", values: [1, 2] }]);
});
