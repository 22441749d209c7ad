import assert from "node:assert/strict";
import {
  type FileFacts,
  filterByFacts,
  filterByFile,
  type Filters,
  findDuplicates,
  type ImageFacts,
  imageFacts,
  loadFilters,
  parseFilters,
  QualityScores,
  weightingGroup,
} from "../../data/filters/mod.ts";
import { withFolder } from "../support/nifti_bytes.ts";

const facts = (changes: Partial<ImageFacts> = {}): ImageFacts => ({
  modality: "T1w",
  weighting: null,
  seriesDescription: null,
  fieldStrength: 3,
  derivedFrom: null,
  ...changes,
});
const file = (changes: Partial<FileFacts> = {}): FileFacts => ({
  fileBytes: 200_000,
  shape: [100, 200, 200],
  spacing: [1, 1, 1],
  ...changes,
});

const lenient = await loadFilters("lenient"), strict = await loadFilters("strict");

Deno.test("the lenient and strict rule sets decide at the limits of data.md section 4", () => {
  const cases: [string, Filters, Partial<FileFacts>, string | null][] = [
    ["200 kB", lenient, {}, null],
    ["one byte less", lenient, { fileBytes: 199_999 }, "file-size"],
    ["no size rule", strict, { fileBytes: 1 }, null],
    ["one slice", lenient, { shape: [1, 200, 200], spacing: [60, 1, 1] }, "dimensions"],
    ["50 mm", lenient, { shape: [50, 200, 200] }, null],
    ["49 mm", lenient, { shape: [49, 200, 200] }, "field-of-view"],
    ["100 mm", strict, {}, null],
    ["99.9 mm", strict, { spacing: [0.999, 1, 1] }, "field-of-view"],
    ["6.49 mm", lenient, { spacing: [6.49, 1, 1] }, null],
    ["6.5 mm is not below 6.5", lenient, { spacing: [1, 6.5, 1] }, "spacing"],
    ["3 mm is at most 3", strict, { spacing: [3, 1, 1] }, null],
    ["3.01 mm", strict, { spacing: [1, 1, 3.01] }, "spacing"],
  ];
  for (const [name, filters, changes, rule] of cases) {
    const rejection = filterByFile(file(changes), filters);
    assert.equal(rejection?.rule ?? null, rule, name);
    if (rejection) assert.match(rejection.reason, /, wanted /, name);
  }
  assert.equal(
    filterByFile(file({ spacing: [7, 0.9375, 0.9375] }), lenient)!.reason,
    "spacing 7 x 0.9375 x 0.9375 mm, wanted less than 6.5 mm",
  );
});

Deno.test("filterByFacts() judges weighting, series description, field strength and modality, and says what is missing", () => {
  const cases: [string, Filters, Partial<ImageFacts>, string | null][] = [
    ["T1w", lenient, {}, null],
    ["SWI", lenient, { weighting: "T1_SWI" }, "weighting"],
    ["bold", lenient, { modality: "bold" }, "weighting"],
    ["PDw", lenient, { modality: "PDw" }, "weighting"],
    ["T2*", lenient, { weighting: "T2*" }, "weighting"],
    ["angiography", lenient, { modality: "angio" }, null],
    ["ADC", lenient, { seriesDescription: "ep2d ADC" }, "series-description"],
    ["phase", lenient, { seriesDescription: "t1_PHAse" }, "series-description"],
    ["DWI", lenient, { seriesDescription: "DWI b1000" }, "series-description"],
    ["T1 TSE", lenient, { seriesDescription: "T1 TSE" }, null],
    ["1.5 T", lenient, { fieldStrength: 1.5 }, null],
    ["1.0 T", lenient, { fieldStrength: 1 }, "field-strength"],
    [
      "strict asks none of it",
      strict,
      { weighting: "SWI", seriesDescription: "adc", fieldStrength: 0.5 },
      null,
    ],
    ["list", { modalities: ["t1W", "FLAIR"] }, {}, null],
    ["not in the list", { modalities: ["T2w", "FLAIR"] }, {}, "modality"],
  ];
  for (const [name, filters, changes, rule] of cases) {
    const { rejection, warnings } = filterByFacts(facts(changes), null, filters);
    assert.equal(rejection?.rule ?? null, rule, name);
    assert.deepEqual(warnings, [], name);
  }
  const blank = filterByFacts(facts({ modality: "unknown", fieldStrength: null }), null, lenient);
  assert.equal(blank.rejection, null);
  assert.deepEqual(blank.warnings, [
    "no weighting and no modality to filter by: kept",
    "no magnetic field strength to filter by: kept",
  ]);
});

Deno.test("image-quality scores are looked up by data set, modality and origin; without one an image is kept with a warning", () => {
  const scores = new QualityScores({
    collection_index: 1,
    collection_name: "c",
    datasets: {
      ds1: {
        dataset_index: "ds1",
        name: null,
        subjects: {},
        dataset_info: {
          image_quality_score: [
            { modality: "T1w", derived_from: null, image_quality_score: 2.5 },
            { modality: "FA", derived_from: "dwi", image_quality_score: 3.6 },
            { modality: "T2w", image_quality_score: 1.2 },
          ],
        },
      },
      ds2: { dataset_index: "ds2", name: null, subjects: {}, dataset_info: { image_quality_score: "none" } },
    },
  });
  const fa = facts({ modality: "FA", derivedFrom: "dwi" });
  assert.deepEqual([
    scores.of("ds1", facts()),
    scores.of("ds1", fa),
    scores.of("ds1", facts({ modality: "T2w" })),
  ], [
    2.5,
    3.6,
    1.2,
  ]);
  assert.deepEqual([scores.of("ds2", facts()), scores.of("ds1", facts({ modality: "FA" }))], [null, null]);
  const judge = (threshold: number, modalities?: string[], image = facts()) =>
    filterByFacts(image, scores.of("ds1", image), { imageQuality: { threshold, modalities } });
  assert.equal(judge(2.5).rejection, null);
  assert.deepEqual(judge(1.5).rejection, {
    rule: "image-quality",
    reason: "image-quality score 2.5, wanted at most 1.5",
  });
  assert.equal(judge(1.5, ["FA"]).rejection, null, "other modalities pass");
  assert.equal(judge(3.5, ["FA"], fa).rejection?.rule, "image-quality");
  assert.deepEqual(judge(2, undefined, facts({ modality: "FA" })), {
    rejection: null,
    warnings: ["no image-quality score to filter by: kept"],
  });
});

Deno.test("imageFacts() reads both spellings of sidecars, gauss and numbers in text", () => {
  const read = (image_info: Record<string, unknown> | null) =>
    imageFacts({ name: "a.nii", image_path: "a.nii", modality: "T1w", image_info, associated_masks: null });
  assert.deepEqual(read({ MagneticFieldStrength: 15000, SeriesDescription: "x" }), {
    ...facts(),
    fieldStrength: 1.5,
    seriesDescription: "x",
  });
  assert.deepEqual(read({ magnetic_field_strength: "3", derived_from: "dwi", weighting: "T2" }), {
    ...facts(),
    derivedFrom: "dwi",
    weighting: "T2",
  });
  assert.equal(read({ MagneticFieldStrength: "n/a" }).fieldStrength, null);
  assert.equal(read(null).fieldStrength, null);
  const groups = [
    "T1w",
    "UNIT1",
    "MPRAGE",
    "T1_FLAIR",
    "FLAIR",
    "T2 FLAIR",
    "inplaneT2",
    "TOF",
    "T2starw",
    "swi",
    "PDw",
  ];
  assert.deepEqual(groups.map((modality) => weightingGroup(facts({ modality }))), [
    "T1",
    "T1",
    "T1",
    "T1-FLAIR",
    "FLAIR",
    "T2-FLAIR",
    "T2",
    "MR-angiography",
    "T2star",
    "SWI",
    "PD",
  ]);
});

Deno.test("findDuplicates() compares DICOM series file by file, whatever the files are called", () =>
  withFolder(async (folder) => {
    const series: Record<string, readonly string[]> = { a: ["1", "2"], b: ["1", "2"], c: ["2", "1"] };
    for (const [name, contents] of Object.entries(series)) {
      await Deno.mkdir(`${folder}/${name}`);
      for (const [i, content] of contents.entries()) {
        await Deno.writeTextFile(`${folder}/${name}/${name}${i}.dcm`, content);
      }
    }
    const files = Object.keys(series).map((name) => ({ path: `${folder}/${name}`, fileBytes: 2 }));
    assert.deepEqual([...await findDuplicates(files)], [[1, 0]]);
  }));

Deno.test("findDuplicates() compares bytes of files of equal size and keeps the first", () =>
  withFolder(async (folder) => {
    const texts = ["aaaa", "bbbb", "aaaa", "ccc", "aaaa", "bbbb"];
    const files = [];
    for (const [i, text] of texts.entries()) {
      await Deno.writeTextFile(`${folder}/${i}`, text);
      files.push({ path: `${folder}/${i}`, fileBytes: text.length });
    }
    assert.deepEqual([...await findDuplicates(files)].sort(), [[2, 0], [4, 0], [5, 1]]);
    assert.deepEqual([...await findDuplicates([files[0], files[0]])], [[1, 0]]);
    assert.deepEqual([...await findDuplicates([files[0], files[0]], () => true)], []);
    const large = new Uint8Array(3 << 20);
    await Deno.writeFile(`${folder}/l1`, large);
    large[large.length - 1] = 1;
    await Deno.writeFile(`${folder}/l2`, large);
    const pair = ["l1", "l2"].map((name) => ({ path: `${folder}/${name}`, fileBytes: large.length }));
    assert.deepEqual([...await findDuplicates(pair)], []);
    await assert.rejects(
      findDuplicates([files[0], { path: `${folder}/none`, fileBytes: 4 }]),
      /Cannot read .*none: found no such file/,
    );
  }));

Deno.test("loadFilters() reads presets and files, and names the wrong key", () =>
  withFolder(async (folder) => {
    const path = `${folder}/filters.json`;
    await Deno.writeTextFile(
      path,
      JSON.stringify({ preset: "strict", maxSpacingMm: 4, modalities: ["T1w"] }),
    );
    assert.deepEqual(await loadFilters(path), { ...strict, maxSpacingMm: 4, modalities: ["T1w"] });
    await assert.rejects(loadFilters("lenint"), /no preset and no file .*wanted one of lenient, strict/);
    const wrong: [unknown, RegExp][] = [
      [{ maxSpacing: 3 }, /Unrecognized key: "maxSpacing"/],
      [{ minFileBytes: -1 }, /minFileBytes: /],
      [{ weightings: ["T3"] }, /weightings\.0: /],
      [{ imageQuality: { threshold: 7 } }, /imageQuality\.threshold: /],
      [{ preset: "none" }, /no preset and no file of that name \(none\)/],
    ];
    for (const [value, text] of wrong) assert.throws(() => parseFilters(value, path), text);
    await Deno.writeTextFile(path, "{");
    await assert.rejects(loadFilters(path), /Cannot read .*filters\.json: found .*, wanted JSON/);
  }));
