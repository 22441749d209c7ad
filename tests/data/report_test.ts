import assert from "node:assert/strict";
import { collectReport, writeReport } from "../../data/report/mod.ts";
import { readStoreIndex, writeStoreIndex } from "../../data/store_index.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { clinicalImages, type MadeImage, writeMadeStore } from "../support/report_store.ts";
import { elementsOf, parseWellFormed, textOf } from "../support/well_formed.ts";

/** Every file of a folder as text by name. */
async function filesOf(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for await (const { name } of Deno.readDir(folder)) {
    files.set(name, await Deno.readTextFile(`${folder}/${name}`));
  }
  return files;
}

const FIGURES = [
  "cohort",
  "centres",
  "scanners",
  "modalities",
  "ages",
  "sexes",
  "field_strengths",
  "spacings_source",
  "spacings_prepared",
  "sizes_source",
  "sizes_prepared",
];

Deno.test("collectReport() counts volumes, subjects, sessions, sides of the split and rejections", () =>
  withFolder(async (store) => {
    const images: MadeImage[] = [
      {
        dataset: "one",
        subject: "sub-a",
        session: "ses-1",
        subjectInfo: { age: 93, sex: "F" },
        imageInfo: { Manufacturer: "PHILIPS", ManufacturersModelName: "Achieva", MagneticFieldStrength: 1.5 },
        spacing: [1, 1, 1],
        sourceSpacing: [3, 0.5, 0.5],
        sourceShape: [30, 256, 240],
        warnings: ["/x/sub-a.nii.gz is sheared by 4.5 degrees"],
      },
      { dataset: "one", subject: "sub-a", session: "ses-2", modality: "FLAIR" },
      {
        dataset: "one",
        subject: "sub-b",
        subjectInfo: { age: "44", sex: "M" },
        imageInfo: { InstitutionName: "H" },
      },
      { dataset: "two", subject: "sub-a", sessionInfo: { age: "twelve" } },
      { dataset: "two", subject: "sub-c", rejected: { rule: "min-fov", reason: "found 20 mm" } },
      { dataset: "two", subject: "sub-d", rejected: { reason: "no rule spoke" } },
    ];
    await writeMadeStore(store, { images, val: ["two__sub-a"] });
    const { numbers, warnings } = await collectReport(store);
    assert.deepEqual(warnings, []);
    assert.deepEqual(numbers.totals, {
      volumes: 4,
      subjects: 3,
      sessions: 4,
      datasets: 2,
      centres: 2,
      rejected: 2,
      bytes: 4 * 128,
      anonymizationMasks: 0,
      anatomyMasks: 0,
    });
    assert.deepEqual(numbers.split, { train: { subjects: 2, volumes: 3 }, val: { subjects: 1, volumes: 1 } });
    assert.deepEqual(numbers.centres, {
      basis: "dataset",
      categories: [{ name: "one", count: 3 }, { name: "two", count: 1 }],
      notStated: 0,
    });
    assert.deepEqual(numbers.sexes, {
      categories: [{ name: "female", count: 1 }, { name: "male", count: 1 }],
      notStated: 1,
    });
    const { histogram: ages, ...ageFacts } = numbers.ages;
    assert.deepEqual(ageFacts, { quartiles: [55.5, 67, 78.5], stated: 2, notRecognised: 1, notStated: 0 });
    assert.deepEqual([ages.counts[8], ages.above, ages.counts.length], [1, 1, 18]);
    assert.deepEqual(numbers.scanners, { categories: [{ name: "Philips Achieva", count: 1 }], notStated: 3 });
    assert.deepEqual(numbers.fieldStrengths, { categories: [{ name: "1.5 T", count: 1 }], notStated: 3 });
    assert.deepEqual(numbers.modalities.categories, [{ name: "T1w", count: 3 }, { name: "FLAIR", count: 1 }]);
    const { source, prepared } = numbers.spacings;
    assert.deepEqual([source.volumes, source.notStated, prepared.volumes], [1, 3, 4]);
    assert.deepEqual(source.axes.map(({ edge, quartiles }) => [edge, quartiles[1]]), [
      ["shortest", 0.5],
      ["middle", 0.5],
      ["longest", 3],
    ]);
    assert.deepEqual(numbers.sizes.source.axes.map(({ quartiles }) => quartiles[1]), [30, 240, 256]);
    assert.deepEqual(numbers.rejections.rules, { categories: [{ name: "min-fov", count: 1 }], notStated: 1 });
    assert.deepEqual(numbers.rejections.reasons, [
      { rule: null, reason: "no rule spoke", count: 1 },
      { rule: "min-fov", reason: "found 20 mm", count: 1 },
    ]);
    assert.deepEqual(numbers.remarks, [{ rule: null, reason: "[file] is sheared by 4.5 degrees", count: 1 }]);

    const byInstitution = (await collectReport(store, { centre: "institution" })).numbers.centres;
    assert.deepEqual(byInstitution, {
      basis: "institution",
      categories: [{ name: "H", count: 1 }],
      notStated: 3,
    });
  }));

Deno.test("collectReport() takes institutions for centres where at least half of the volumes name one", () =>
  withFolder(async (folder) => {
    const image = (name: string | null): MadeImage => ({
      dataset: "d",
      subject: `sub-${name}`,
      imageInfo: { InstitutionName: name },
    });
    for (const [names, basis] of [[["A", null], "institution"], [["A", null, "n/a"], "dataset"]] as const) {
      await writeMadeStore(folder, { images: names.map(image) });
      assert.equal((await collectReport(folder)).numbers.centres.basis, basis);
    }
  }));

Deno.test("collectReport() says which files are missing, and refuses damaged ones by name and line", () =>
  withFolder(async (folder) => {
    const images = clinicalImages(24, 1);
    await writeMadeStore(folder, { images, withCollection: false, withReport: false });
    const { numbers, warnings } = await collectReport(folder);
    assert.match(warnings[0], /has no pretrain_data\.json: ages, scanners and centres are not known/);
    assert.match(warnings[1], /has no report\.jsonl: geometry as scanned, remarks and rules are not known/);
    assert.deepEqual([numbers.totals.sessions, numbers.totals.datasets], [null, null]);
    const { volumes, subjects, rejected } = numbers.totals;
    for (const field of [numbers.centres, numbers.scanners, numbers.fieldStrengths]) {
      assert.deepEqual([field.categories.length, field.notStated], [0, volumes]);
    }
    assert.deepEqual([numbers.sexes.notStated, numbers.ages.notStated], [subjects, subjects]);
    assert.deepEqual([numbers.rejections.rules.notStated, rejected], [2, 2]);
    const html = (await writeReport({ store: folder, sheet: 0 })).page;
    assert.match(textOf(parseWellFormed(await Deno.readTextFile(html))), /not stated: 22 volumes/);

    await writeMadeStore(folder, { images });
    const lines = await Deno.readTextFile(`${folder}/report.jsonl`);
    await Deno.writeTextFile(`${folder}/report.jsonl`, lines.slice(0, -20));
    await assert.rejects(collectReport(folder), /Cannot read .*report\.jsonl line 24: found damaged JSON/);
    await Deno.writeTextFile(`${folder}/report.jsonl`, lines.replace('"prepared"', '"lost"'));
    await assert.rejects(collectReport(folder), /report\.jsonl line 1: found status: /);
    await Deno.writeTextFile(`${folder}/pretrain_data.json`, "{}");
    await assert.rejects(
      collectReport(folder),
      /pretrain_data\.json: found collection_index: .*wanted a pre-training/,
    );
    await Deno.writeTextFile(`${folder}/store.json`, "{}");
    await assert.rejects(collectReport(folder), /store\.json/);
    await assert.rejects(collectReport(`${folder}/none`), /found no such file or folder/);
  }));

Deno.test("writeReport() writes a page and figures that are well-formed, self-contained and the same every time", () =>
  withFolder(async (folder) => {
    await writeMadeStore(`${folder}/store`, { images: clinicalImages(300, 3), val: ["study-01__sub-00001"] });
    const store = `${folder}/store`;
    const report = await writeReport({ store, sheet: 0 });
    const files = await filesOf(`${store}/report`);
    assert.deepEqual(
      [...files.keys()].sort(),
      ["report.html", ...[...FIGURES, "rejections"].map((name) => `${name}.svg`)].sort(),
    );
    assert.deepEqual(
      report.figures.map((path) => files.has(path.split("/").at(-1)!)),
      report.figures.map(() => true),
    );
    for (const [name, text] of files) {
      const root = parseWellFormed(text);
      assert.equal(root.name, name.endsWith(".svg") ? "svg" : "html");
      for (const { name: tag, attributes } of elementsOf(root)) {
        assert.ok(!["script", "link", "iframe", "object", "base"].includes(tag), `${tag} in ${name}`);
        for (const [key, value] of Object.entries(attributes)) {
          assert.doesNotMatch(key, /^on/i);
          if (["src", "href", "xlink:href"].includes(key)) assert.match(value, /^data:image\/png;base64,/);
        }
      }
      assert.doesNotMatch(
        text.replaceAll("http://www.w3.org/2000/svg", ""),
        /https?:|@import|url\(|NaN|undefined|Infinity/,
      );
    }
    const page = textOf(parseWellFormed(files.get("report.html")!));
    assert.match(page, /25 of 300 images were rejected/);
    assert.match(page, /Philips Achieva/);
    assert.doesNotMatch(page, /sub-0|ses-|scans of the clinic|\.nii/);

    await writeReport({ store, sheet: 0, out: `${folder}/again` });
    const again = await filesOf(`${folder}/again`);
    for (const [name, text] of files) assert.ok(again.get(name) === text, `${name} differs`);
  }));

Deno.test("writeReport() keeps names out of the page unless asked for, and escapes whatever they hold", () =>
  withFolder(async (store) => {
    const evil = `</style><script>alert(1)</script>&amp;<!--"'\u0000\u202e\ud800]]>`;
    const images: MadeImage[] = [
      {
        dataset: `d${evil}`.replaceAll("/", "_"),
        subject: "sub-secret",
        modality: evil,
        subjectInfo: { sex: evil, age: evil },
        imageInfo: { Manufacturer: evil, Model: evil, InstitutionName: evil, FieldStrength: evil },
        warnings: [evil],
      },
      {
        dataset: "d",
        subject: "Mr Secret",
        rejected: { rule: evil, reason: `${evil} sub-secret, Mr Secret_1.nii.gz` },
      },
    ];
    await writeMadeStore(store, { collection: evil, images });
    const check = async () => {
      for (const [name, text] of await filesOf(`${store}/report`)) {
        const names = [...elementsOf(parseWellFormed(text))].map((element) => element.name);
        assert.ok(!names.includes("script"), name);
        assert.equal(names.filter((tag) => tag === "style").length, 1, name);
      }
      return textOf(parseWellFormed(await Deno.readTextFile(`${store}/report/report.html`)));
    };
    await writeReport({ store });
    const page = await check();
    assert.ok(page.includes("<script>alert(1)</script>&amp;"), "shown as text");
    assert.doesNotMatch(page, /secret|clinic/i);
    const first = await Deno.readTextFile(`${store}/report/report.html`);
    await writeReport({ store, withIds: true });
    assert.match(await check(), /Mr Secret.*\/mnt\/scans of the clinic\/d\/Mr Secret\/Mr Secret_1\.nii\.gz/s);
    await writeReport({ store });
    assert.ok(await Deno.readTextFile(`${store}/report/report.html`) === first);
  }));

Deno.test("writeReport() reports on a store of rejected images only, and removes figures it no longer has", () =>
  withFolder(async (store) => {
    const rejected = { rule: "unusable", reason: "found zero in every voxel" };
    await writeMadeStore(store, { images: [{ dataset: "d", subject: "s", rejected }] });
    const { numbers } = await writeReport({ store });
    assert.deepEqual([numbers.totals.volumes, numbers.totals.rejected, numbers.totals.centres], [0, 1, 0]);
    const text = textOf(parseWellFormed(await Deno.readTextFile(`${store}/report/report.html`)));
    assert.match(text, /1 of 1 image was rejected/);
    assert.match(text, /unusable\s+found zero in every voxel/);
    assert.ok((await filesOf(`${store}/report`)).has("rejections.svg"));
    await writeMadeStore(store, { images: [] });
    await writeReport({ store });
    const files = await filesOf(`${store}/report`);
    assert.ok(!files.has("rejections.svg") && !files.has("contact_sheet.svg"));
    for (const svg of files.values()) parseWellFormed(svg);
  }));

Deno.test("a report of many centres and reasons shows the large ones and folds the others, leaving none out", () =>
  withFolder(async (store) => {
    const images = Array.from({ length: 60 }, (_, i): MadeImage => ({
      dataset: `centre ${String(Math.min(i, 44)).padStart(2, "0")}`, // 44 with one image, one with 16
      subject: `s${i}`,
      ...(i < 15 ? { rejected: { reason: `fault ${String.fromCharCode(97 + i)}` } } : {}),
    }));
    await writeMadeStore(store, { images });
    await writeReport({ store, sheet: 0 });
    const page = parseWellFormed(await Deno.readTextFile(`${store}/report/report.html`));
    const figure = [...elementsOf(page)].find(({ attributes }) =>
      attributes["aria-labelledby"]?.startsWith("centres-")
    )!;
    assert.match(
      textOf(figure).replace(/\s+/g, " "),
      /centre 44 16 \(36 %\) .*centre 32 1 \(2 %\) 11 other centres 11 \(24 %\)$/,
    );
    const bars = [...elementsOf(figure)].filter(({ name }) => name === "rect");
    assert.equal(bars.length, 19, "no bar for the sum of the others");
    const details = [...elementsOf(page)].filter(({ name }) => name === "details").map(textOf);
    assert.ok(details.some((text) => text.startsWith("3 more reasons") && text.includes("fault o")));
    assert.ok(details.every((text) => !text.includes("fault a")));
  }));

Deno.test("a report on 20,000 images takes seconds", () =>
  withFolder(async (store) => {
    await writeMadeStore(store, { images: clinicalImages(20_000, 2) });
    const started = performance.now();
    const { numbers } = await writeReport({ store, sheet: 0 });
    assert.equal(numbers.totals.volumes + numbers.totals.rejected, 20_000);
    assert.ok(performance.now() - started < 20_000);
    assert.ok((await Deno.stat(`${store}/report/report.html`)).size < 200_000);
    const { categories, notStated } = numbers.scanners;
    assert.equal(categories.reduce((sum, { count }) => sum + count, notStated), numbers.totals.volumes);
  }));

Deno.test("a report shows bytes of images and masks, and counts masks", () =>
  withFolder(async (store) => {
    await writeMadeStore(store, { images: [{ dataset: "d", subject: "a" }, { dataset: "d", subject: "b" }] });
    const index = readStoreIndex(store);
    const mask = { path: "m.zarr", bytes: 1024, sha256: "0".repeat(64) };
    const [a, b] = index.volumes;
    await writeStoreIndex(store, {
      ...index,
      volumes: [{ ...a, masks: { anonymization: mask, anatomy: mask } }, { ...b, masks: { anatomy: mask } }],
    });
    const { totals } = (await collectReport(store)).numbers;
    assert.deepEqual([totals.bytes, totals.anonymizationMasks, totals.anatomyMasks], [256 + 3072, 1, 2]);
  }));
