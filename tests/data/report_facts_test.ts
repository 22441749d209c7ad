import assert from "node:assert/strict";
import { centredBins, histogram, quartiles } from "../../data/report/histogram.ts";
import { infoFacts } from "../../data/report/info_facts.ts";
import { NameScrubber } from "../../data/report/name_scrubber.ts";
import { readAge, readSex } from "../../data/report/person_facts.ts";
import { ReasonGroups } from "../../data/report/reason_groups.ts";
import { readFieldStrength, readInstitution, readScanner } from "../../data/report/scanner_facts.ts";
import { Tally } from "../../data/report/tally.ts";
import { byteSize, counted, fitText, percent, textWidth } from "../../data/report/text.ts";
import { fc } from "../deps.ts";

Deno.test("infoFacts() finds fields under the names of BIDS, DICOM, tables and nnssl", () => {
  const ages = [
    "age",
    "Age",
    "PatientAge",
    "age_at_scan",
    "AgeAtFirstScan",
    "participant_age",
    "age (years)",
  ];
  for (const key of ages) assert.deepEqual(infoFacts({ [key]: 31 }).age, { value: 31, unit: "years" }, key);
  assert.equal(infoFacts({ age_months: 31 }).age?.unit, "months");
  assert.equal(infoFacts({ "Age in weeks": 31 }).age?.unit, "weeks");
  assert.equal(infoFacts({ age_days: 31 }).age?.unit, "days");
  for (
    const key of [
      "age_at_onset",
      "age_of_father",
      "AgeAtDeath",
      "average",
      "stage",
      "image",
      "age_group_code",
    ]
  ) {
    assert.deepEqual(infoFacts({ [key]: 31 }), {}, key);
  }
  for (const key of ["sex", "Gender", "PatientSex", "patient_sex"]) {
    assert.equal(infoFacts({ [key]: "F" }).sex?.value, "F", key);
  }
  for (const key of ["ManufacturersModelName", "manufacturer_model_name", "model_name", "Model"]) {
    assert.equal(infoFacts({ [key]: "Ingenia" }).model?.value, "Ingenia", key);
  }
  for (
    const key of ["MagneticFieldStrength", "magnetic_field_strength", "field_strength", "FieldStrengthT"]
  ) {
    assert.equal(infoFacts({ [key]: 3 }).fieldStrength?.value, 3, key);
  }
  for (const key of ["InstitutionName", "site", "acquisition_site", "centre", "center_id", "hospital"]) {
    assert.equal(infoFacts({ [key]: "A" }).institution?.value, "A", key);
  }
  assert.deepEqual(infoFacts({ InstitutionAddress: "Street 1", InstitutionalDepartmentName: "MR" }), {});
});

Deno.test("infoFacts() takes the first object that states a field and passes over empty words", () => {
  const facts = infoFacts({ sex: "n/a", age: null, site: " " }, null, { sex: "M", age: NaN }, {
    sex: "F",
    age: "41",
    site: ["list"],
  });
  assert.deepEqual(facts, { sex: { value: "M", unit: "years" }, age: { value: "41", unit: "years" } });
  for (const empty of ["", "N/A", "NA.", "unknown", "Not available", "-", "??", "anonymized", "None"]) {
    assert.deepEqual(infoFacts({ Manufacturer: empty }), {}, empty);
  }
});

Deno.test("readAge() reads numbers, DICOM ages, ranges and units, and groups ages above 89", () => {
  const cases: [string | number, "years" | "months" | "weeks" | "days", number][] = [
    [26, "years", 26],
    ["31,5", "years", 31.5],
    [" 41 years", "years", 41],
    ["7 yrs old", "years", 7],
    ["045Y", "years", 45],
    ["018M", "years", 1.5],
    ["026w", "years", 26 * 7 / 365.25],
    ["20-25", "years", 22.5],
    ["[60, 70]", "years", NaN],
    ["(30 to 40)", "years", 35],
    [18, "months", 1.5],
    ["36", "months", 3],
    [0, "years", 0],
    [89, "years", 89],
    [89.5, "years", 90],
    [104, "years", 90],
    ["89+", "years", 90],
    [">89", "years", 90],
    ["90 or older", "years", 90],
    ["60+", "years", NaN],
    [-1, "years", NaN],
    [1975, "years", NaN],
    ["adult", "years", NaN],
  ];
  for (const [value, unit, wanted] of cases) {
    const found = readAge({ value, unit });
    assert.ok(
      found !== null && (Number.isNaN(wanted) ? Number.isNaN(found) : Math.abs(found - wanted) < 1e-12),
      `${value}: ${found}`,
    );
  }
  assert.equal(readAge(undefined), null);
});

Deno.test("readSex() knows usual spellings and leaves codes as codes", () => {
  const read = (value: string | number) => readSex({ value, unit: "years" });
  assert.deepEqual(["F", "female", " Woman"].map(read), ["female", "female", "female"]);
  assert.deepEqual(["m", "MALE", "men"].map(read), ["male", "male", "male"]);
  assert.deepEqual(["O", "other", "diverse"].map(read), ["other", "other", "other"]);
  assert.deepEqual([1, "2", "2.0", "perhaps"].map(read), ["code 1", "code 2", "code 2", "not recognised"]);
  assert.equal(readSex(undefined), null);
});

Deno.test("readScanner() and readFieldStrength() bring makers and strengths to their usual names", () => {
  const scanner = (info: Record<string, unknown>) => readScanner(infoFacts(info));
  assert.equal(
    scanner({ Manufacturer: "SIEMENS", ManufacturersModelName: "Prisma_fit" }),
    "Siemens Prisma fit",
  );
  assert.equal(scanner({ Manufacturer: "GE MEDICAL SYSTEMS", model: "SIGNA Artist" }), "GE SIGNA Artist");
  assert.equal(scanner({ manufacturer: "Philips Medical Systems" }), "Philips (model not stated)");
  assert.equal(scanner({ model: "Achieva" }), "Achieva (manufacturer not stated)");
  assert.equal(scanner({ manufacturer: "Philips", model: "Philips Ingenia" }), "Philips Ingenia");
  assert.equal(scanner({ manufacturer: "Genesis", model: "One" }), "Genesis One");
  assert.equal(scanner({ scanner: "the old one" }), "the old one");
  assert.equal(scanner({}), null);
  const tesla = (value: string | number) => readFieldStrength({ value, unit: "years" });
  assert.deepEqual([3, "3T", "2.89", 2.893, "3 tesla", 30000].map(tesla), [3, 3, 3, 3, 3, 3]);
  assert.deepEqual([1.494, "1,5", 15000, 0.55, 6.98, 8.2].map(tesla), [1.5, 1.5, 1.5, 0.55, 7, 8.2]);
  assert.deepEqual([0, 100, "high", "-3"].map(tesla), [NaN, NaN, NaN, NaN]);
  assert.equal(readFieldStrength(undefined), null);
  assert.equal(readInstitution(infoFacts({ site: 3 })), "3");
});

Deno.test("Tally merges spellings, shows the most frequent one and counts what is not stated", () => {
  const tally = new Tally();
  for (const name of ["Hospital A", "HOSPITAL_A", "Hospital A", "B", null, "hospital  a", null, "C"]) {
    tally.add(name);
  }
  assert.deepEqual(tally.result(), {
    categories: [{ name: "Hospital A", count: 4 }, { name: "B", count: 1 }, { name: "C", count: 1 }],
    notStated: 2,
  });
});

Deno.test("histogram() counts every value once, centredBins() centres bins on round numbers", () => {
  fc.assert(fc.property(
    fc.array(fc.double({ min: 0.01, max: 900, noNaN: true }), { minLength: 1, maxLength: 200 }),
    (list) => {
      const values = Float64Array.from(list).sort();
      const bins = centredBins([values, new Float64Array(0)], [0.05, 1, 16])!;
      const { counts, above } = histogram(values, bins.start, bins.end, bins.step);
      assert.equal(counts.reduce((sum, value) => sum + value, above), values.length);
      assert.ok(counts.length >= 9 && counts.length <= 41 && above <= 0.005 * values.length + 1);
    },
  ));
  const bins = centredBins([Float64Array.of(0.999, 1, 1.001, 1.2)], [0.05, 0.25])!;
  assert.deepEqual(histogram(Float64Array.of(0.999, 1, 1.001, 1.2), bins.start, bins.end, bins.step).counts, [
    0,
    0,
    3,
    0,
    0,
    0,
    1,
    0,
    0,
  ]);
  assert.equal(centredBins([new Float64Array(0)], [1]), null);
  assert.deepEqual(quartiles(Float64Array.of(1, 2, 3, 4)), [1.75, 2.5, 3.25]);
  assert.equal(quartiles(new Float64Array(0)), null);
});

Deno.test("NameScrubber takes ids, paths and names of any image out of a text", () => {
  const image = {
    name: "Jane Doe T1.nii.gz",
    image_path: "/data/my scans/Jane Doe/Jane Doe T1.nii.gz",
    modality: "T1w",
    image_info: null,
    associated_masks: null,
  };
  const entry = (subject: string, name = image.name) => ({
    collection: "C one",
    dataset: "d",
    subject,
    session: "ses-DEFAULT",
    image: { ...image, name },
    subjectId: `C one__d__${subject}`,
    imageId: `C one__d__${subject}__ses-DEFAULT__${name}`,
  });
  const own = entry("Jane Doe"), other = entry("John Roe", "John Roe T1.nii.gz");
  const scrubber = new NameScrubber("C one", [own, other, entry("P-88431"), entry("1")]);
  const names = { id: own.imageId, file: image.image_path };
  const scrub = (text: string) => scrubber.scrub(text, names);
  assert.equal(scrub(`Cannot read ${image.image_path}: found 1 axis`), "Cannot read [file]: found 1 axis");
  assert.equal(scrub(`same content as ${other.imageId}, kept`), "same content as [image], kept");
  assert.equal(scrub("same content as /mnt/x/sub-07_T1w.nii.gz."), "same content as [file].");
  assert.equal(scrub("mask 'C:\\scans\\a b.nii' or sub-03_mask.nii.gz"), "mask '[file] [file]' or [file]");
  assert.equal(
    scrub("patient P-88431 of sub-0012, session ses-2"),
    "patient [image] of [image], session [image]",
  );
  assert.equal(scrub("like Jane Doe T1 of another"), "like [file] of another");
  assert.equal(scrub("float16/float32 of 4 x 4 x 1 voxels"), "float16/float32 of 4 x 4 x 1 voxels");
});

Deno.test("ReasonGroups joins reasons that differ in numbers and shows the numbers that do not", () => {
  const groups = new ReasonGroups();
  groups.add("fov", "Cannot read [file]: found 30.5 mm along z, wanted 50 mm");
  groups.add("fov", "Cannot read [file]: found 12 mm along z, wanted 50 mm");
  groups.add(null, "not\na volume");
  groups.add("other", "found 12 mm along z, wanted 50 mm");
  assert.deepEqual(groups.result(), [
    { rule: "fov", reason: "found … mm along z, wanted 50 mm", count: 2 },
    { rule: null, reason: "not a volume", count: 1 },
    { rule: "other", reason: "found 12 mm along z, wanted 50 mm", count: 1 },
  ]);
});

Deno.test("numbers and labels are written for people", () => {
  assert.deepEqual([counted(1, "volume"), counted(39168, "volume")], ["1 volume", "39,168 volumes"]);
  assert.deepEqual([
    percent(1, 3),
    percent(1, 300),
    percent(1, 1e5),
    percent(0, 0),
    percent(999, 1000),
    percent(5, 5),
  ], [
    "33 %",
    "0.3 %",
    "< 0.1 %",
    "0 %",
    "99.9 %",
    "100 %",
  ]);
  assert.equal(percent(99999, 100000), "> 99.9 %");
  assert.deepEqual([812, 1536, 1.2 * 2 ** 40, 700 * 2 ** 20].map(byteSize), [
    "812 B",
    "1.5 KiB",
    "1.2 TiB",
    "700 MiB",
  ]);
  fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (text) => {
    const shown = fitText(text, 100, 13);
    assert.ok(textWidth(shown, 13) <= 100 && (shown === text || shown.endsWith("…")));
  }));
});
