import assert from "node:assert/strict";
import { readNifti } from "../../data/formats/nifti/read_nifti.ts";
import { writePhantomCohort } from "../../data/phantom/cohort.ts";
import { PHANTOM_CONTRASTS, type PhantomContrast } from "../../data/phantom/contrast.ts";
import { Folding } from "../../data/phantom/folding.ts";
import { PHANTOM_LABELS, type PhantomLabel } from "../../data/phantom/labels.ts";
import { generatePhantom, type Phantom } from "../../data/phantom/phantom.ts";
import { ellipsoid, Tube } from "../../data/phantom/shapes.ts";
import { CoarseFields, drawWaves, waveGradient, waveValue } from "../../data/phantom/waves.ts";
import { hashRandom } from "../../data/random.ts";
import type { Dims3 } from "../../data/volume.ts";

const COARSE: Dims3 = [3, 3, 3];
const cache = new Map<string, Phantom>();

function phantom(contrast: PhantomContrast, subject = 0, lesions = false): Phantom {
  const key = `${contrast} ${subject} ${lesions}`;
  const found = cache.get(key) ?? generatePhantom({ seed: 3, subject, contrast, lesions, spacing: COARSE });
  cache.set(key, found);
  return found;
}

/** Millilitres of every label. */
function volumesOf({ image, labels }: Phantom): Record<PhantomLabel, number> {
  const counts = new Float64Array(16);
  for (const label of labels.data) counts[label]++;
  const ml = image.spacing[0] * image.spacing[1] * image.spacing[2] / 1000;
  return Object.fromEntries(
    Object.entries(PHANTOM_LABELS).map(([name, label]) => [name, counts[label] * ml]),
  ) as Record<PhantomLabel, number>;
}

/** Mean intensity of the voxels whose six neighbours carry the same label. */
function meanInside({ image, labels }: Phantom, name: PhantomLabel): number {
  const [, height, width] = image.shape, label = PHANTOM_LABELS[name];
  const steps = [1, -1, width, -width, height * width, -height * width];
  let sum = 0, count = 0;
  for (let i = height * width; i < labels.data.length - height * width; i++) {
    if (labels.data[i] !== label || steps.some((step) => labels.data[i + step] !== label)) continue;
    sum += image.data[i];
    count++;
  }
  return sum / count;
}

Deno.test("generatePhantom() gives the same voxels for the same request", () => {
  const request = { seed: 9, subject: 4, contrast: "T2w", spacing: [6, 6, 6], lesions: true } as const;
  const a = generatePhantom(request), b = generatePhantom(request);
  assert.equal(a.image.data.length, b.image.data.length);
  for (let i = 0; i < a.image.data.length; i++) {
    assert.equal(a.image.data[i], b.image.data[i], `voxel ${i}`);
    assert.equal(a.labels.data[i], b.labels.data[i], `label ${i}`);
  }
});

Deno.test("generatePhantom() draws spacing, field of view and contrast per subject", () => {
  const drawn = [0, 1, 2, 3, 4, 5].map((subject) =>
    generatePhantom({ seed: 1, subject, shape: [24, 28, 24] })
  );
  assert.ok(new Set(drawn.map(({ image }) => image.spacing.join())).size >= 4);
  assert.ok(new Set(drawn.map(({ contrast }) => contrast)).size >= 2);
  for (const { image } of drawn) {
    assert.deepEqual([...image.shape], [24, 28, 24]);
    for (const mm of image.spacing) assert.ok(mm >= 0.8 && mm <= 2, `${mm} mm`);
  }
});

Deno.test("generatePhantom() has structures of human size", () => {
  for (const subject of [0, 1]) {
    const ml = volumesOf(phantom("T1w", subject));
    const ranges: Partial<Record<PhantomLabel, [number, number]>> = {
      cortical_grey_matter: [350, 850],
      white_matter: [400, 850],
      cerebrospinal_fluid: [100, 550],
      ventricle: [7, 70],
      thalamus: [5, 22],
      caudate: [3, 14],
      putamen: [3, 16],
      pallidum: [0.5, 6],
      cerebellar_grey_matter: [50, 160],
      cerebellar_white_matter: [20, 90],
      brain_stem: [15, 60],
      eye: [8, 22],
      skull: [250, 1000],
      scalp: [500, 2500],
      lesion: [0, 0],
    };
    for (const [name, [low, high]] of Object.entries(ranges)) {
      const found = ml[name as PhantomLabel];
      assert.ok(found >= low && found <= high, `subject ${subject}: ${name} has ${found.toFixed(1)} ml`);
    }
  }
});

Deno.test("generatePhantom() orders the tissues as each contrast does", () => {
  const order: Record<PhantomContrast, readonly PhantomLabel[]> = {
    T1w: ["cerebrospinal_fluid", "thalamus", "white_matter"],
    T2w: ["white_matter", "thalamus", "ventricle"],
    FLAIR: ["ventricle", "white_matter", "putamen"],
  };
  for (const contrast of PHANTOM_CONTRASTS) {
    const means = order[contrast].map((name) => meanInside(phantom(contrast), name));
    assert.ok(means[0] < means[1] && means[1] < means[2], `${contrast}: ${order[contrast]} are ${means}`);
    assert.ok(
      meanInside(phantom(contrast), "background") < 0.2 * Math.max(...means),
      `${contrast}: dark background`,
    );
  }
});

Deno.test("generatePhantom() folds the cortex: grey matter touches fluid deep below the brain's surface", () => {
  const { image, labels } = phantom("T1w");
  const { fluid, grey } = {
    fluid: PHANTOM_LABELS.cerebrospinal_fluid,
    grey: PHANTOM_LABELS.cortical_grey_matter,
  };
  const [depth, height, width] = image.shape;
  // along rays from the right side at the level of the parietal lobe: grey, fluid and grey again marks a sulcus
  let rays = 0, sulci = 0;
  for (let d = Math.round(depth * 0.62); d < depth * 0.78; d++) {
    for (let h = Math.round(height * 0.3); h < height * 0.6; h++) {
      const row = (d * height + h) * width;
      let state = 0;
      for (let w = width - 1; w > width / 2; w--) {
        const label = labels.data[row + w];
        if (state === 0 && label === grey) state = 1;
        else if (state === 1 && label === fluid) state = 2;
        else if (state === 2 && label === grey) {
          sulci++;
          state = 1;
        }
      }
      rays++;
    }
  }
  assert.ok(sulci > 0.3 * rays, `${sulci} sulci on ${rays} rays`);
});

Deno.test("generatePhantom() gives every subject another brain", () => {
  const a = phantom("T1w", 0), b = phantom("T1w", 1);
  const first = volumesOf(a), second = volumesOf(b);
  for (const name of ["cortical_grey_matter", "ventricle", "caudate", "skull"] as const) {
    assert.ok(
      Math.abs(first[name] / second[name] - 1) > 0.005,
      `${name}: ${first[name]} and ${second[name]} ml`,
    );
  }
  const c = generatePhantom({ seed: 3, subject: 0, contrast: "T2w", spacing: COARSE });
  for (let i = 0; i < c.labels.data.length; i++) {
    assert.equal(c.labels.data[i], a.labels.data[i], "the contrast changes no label");
  }
});

Deno.test("generatePhantom() puts lesions into white matter only, bright on FLAIR", () => {
  const without = phantom("FLAIR"), lesions = phantom("FLAIR", 0, true);
  let count = 0;
  for (let i = 0; i < lesions.labels.data.length; i++) {
    if (lesions.labels.data[i] !== PHANTOM_LABELS.lesion) {
      assert.equal(lesions.labels.data[i], without.labels.data[i]);
      continue;
    }
    count++;
    assert.equal(without.labels.data[i], PHANTOM_LABELS.white_matter, `voxel ${i}`);
  }
  assert.ok(count > 5, `${count} lesion voxels`);
  const bright = lesions.labels.data.reduce(
    (sum, label, i) =>
      sum + (label === PHANTOM_LABELS.lesion ? lesions.image.data[i] - without.image.data[i] : 0),
    0,
  );
  assert.ok(bright / count > 0.2 * meanInside(without, "white_matter"));
});

Deno.test("generatePhantom() adds Rician noise to air: mean sigma * sqrt(pi / 2)", () => {
  const { image, labels } = phantom("T1w");
  let sum = 0, squares = 0, count = 0;
  for (let i = 0; i < 20000; i++) { // first slices from below: take air only
    if (labels.data[i] !== PHANTOM_LABELS.background || i % image.shape[2] > 4) continue;
    sum += image.data[i];
    squares += image.data[i] ** 2;
    count++;
  }
  const ratio = sum / count / Math.sqrt(squares / count); // 0.886 for pure Rayleigh noise, 1 without noise
  assert.ok(count > 500 && ratio > 0.85 && ratio < 0.95, `${count} voxels, ratio ${ratio}`);
});

Deno.test("writePhantomCohort() writes a BIDS tree of images and labels that can be read back", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const out = `${folder}/new/cohort`, seen: string[] = [];
    const request = { out, subjects: 3, seed: 5, lesions: true, spacing: [5, 5, 5] as const };
    const files = await writePhantomCohort({
      ...request,
      onProgress: (done, file) => seen.push(`${done} ${file}`),
    });
    assert.deepEqual(files, [
      "sub-01/anat/sub-01_T1w.nii.gz",
      "sub-02/anat/sub-02_T2w.nii.gz",
      "sub-03/anat/sub-03_FLAIR.nii.gz",
    ]);
    assert.deepEqual(seen, files.map((file, i) => `${i + 1} ${file}`));
    const wanted = generatePhantom({ seed: 5, subject: 1, contrast: "T2w", spacing: [5, 5, 5] });
    const image = await readNifti(`${out}/${files[1]}`);
    const labels = await readNifti(`${out}/derivatives/labels/sub-02/anat/sub-02_dseg.nii.gz`);
    assert.deepEqual([...image.shape], [...wanted.image.shape]);
    assert.deepEqual([...image.affine], [...labels.affine]);
    for (let i = 0; i < 16; i++) {
      assert.ok(Math.abs(image.affine[i] - wanted.image.affine[i]) < 1e-4, `affine ${i}`);
    }
    for (let i = 0; i < wanted.labels.data.length; i++) {
      assert.equal(labels.data[i], wanted.labels.data[i], `label ${i}`);
      assert.ok(Math.abs(image.data[i] - wanted.image.data[i]) <= 0.5, `voxel ${i}`);
    }
    const json = JSON.parse(
      await Deno.readTextFile(`${out}/derivatives/labels/sub-02/anat/sub-02_dseg.json`),
    );
    assert.equal(json.labels.white_matter, 5);
    assert.match(
      await Deno.readTextFile(`${out}/participants.tsv`),
      /^participant_id\tcontrast\tlesions\nsub-01\tT1w\tyes\nsub-02\tT2w\tno\n/,
    );
    assert.equal(JSON.parse(await Deno.readTextFile(`${out}/dataset_description.json`)).DatasetType, "raw");
    await assert.rejects(writePhantomCohort({ ...request, signal: AbortSignal.abort() }), {
      name: "AbortError",
    });
    await assert.rejects(writePhantomCohort({ ...request, subjects: 0 }), /found 0 subjects/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("shapes: distances are right where they are exact", () => {
  assert.ok(Math.abs(ellipsoid(3, 0, 0, 5, 5, 5) - 2) < 1e-12);
  assert.ok(Math.abs(ellipsoid(0, 8, 0, 5, 5, 5) + 3) < 1e-12);
  assert.equal(ellipsoid(0, 0, 0, 3, 2, 4), 2);
  const tube = new Tube([[0, 0, 0, 1], [10, 0, 0, 3]]);
  assert.equal(tube.distance(5, 0, 0), 2);
  assert.equal(tube.distance(-4, 3, 0), 1 - 5);
  assert.equal(tube.distance(13, 0, 4), 3 - 5);
});

Deno.test("waveGradient() is the derivative of waveValue()", () => {
  const field = drawWaves(hashRandom(1), 7, 1, 2), gradient = new Float64Array(3), h = 1e-6;
  assert.ok(
    Math.abs(waveGradient(field, 0.3, -0.2, 0.7, gradient) - waveValue(field, 0.3, -0.2, 0.7)) < 1e-12,
  );
  const slope = (dx: number, dy: number, dz: number) =>
    (waveValue(field, 0.3 + dx, -0.2 + dy, 0.7 + dz) - waveValue(field, 0.3 - dx, -0.2 - dy, 0.7 - dz)) /
    (2 * h);
  for (const [axis, value] of [slope(h, 0, 0), slope(0, h, 0), slope(0, 0, h)].entries()) {
    assert.ok(Math.abs(gradient[axis] - value) < 1e-6, `axis ${axis}`);
  }
});

Deno.test("CoarseFields reads linear functions exactly", () => {
  const fields = new CoarseFields([7, 6, 9], [3, 2, 4], 2, (d, h, w, out) => {
    out[0] = d - 2 * h + 0.5 * w;
    out[1] = w;
  });
  const out = new Float64Array(2);
  for (let d = 0; d < 7; d++) {
    for (let h = 0; h < 6; h++) {
      fields.selectRow(d, h);
      for (let w = 0; w < 9; w++) {
        fields.read(w, out);
        assert.ok(
          Math.abs(out[0] - (d - 2 * h + 0.5 * w)) < 1e-5 && Math.abs(out[1] - w) < 1e-5,
          `${d} ${h} ${w}`,
        );
        assert.equal(fields.readFirst(w), out[0]);
      }
    }
  }
});

Deno.test("Folding is continuous across the edges of its cube", () => {
  const folding = new Folding(hashRandom(4), 0.3);
  const at = (x: number, y: number, z: number) => {
    folding.read(x, y, z);
    return [folding.distance, folding.depth];
  };
  let worst = 0;
  for (let i = -9; i <= 9; i++) {
    const a = at(1, 0.999, i / 10), b = at(0.999, 1, i / 10);
    // beyond a quarter wavelength the distance only says "far", so compare where a sulcus is near
    if (Math.min(Math.abs(a[0]), Math.abs(b[0])) < 0.05) worst = Math.max(worst, Math.abs(a[0] - b[0]));
    assert.ok(Math.abs(a[1] - b[1]) < 0.05);
  }
  assert.ok(worst < 0.03, `${worst} rad`);
});
