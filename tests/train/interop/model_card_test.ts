import assert from "node:assert/strict";
import { exportModel } from "../../../train/interop/export_model.ts";
import { factTable, plainText } from "../../../train/interop/card_text.ts";
import { temporaryFolder } from "../../support/spawn.ts";
import { writePretrainedRun, writeSegmentationRun } from "./exported_run.ts";

Deno.test("plainText() leaves nothing of a text that Markdown or HTML would act on", () => {
  assert.equal(plainText("a|b\n# c <script>`x`[y](z)"), "a\\|b \\# c \\<script\\>\\`x\\`\\[y\\](z)");
});

Deno.test("factTable() leaves out what is not known", () => {
  assert.equal(factTable([["A", 1], ["B", null], ["C", ""]]), "| | |\n|---|---|\n| A | 1 |");
  assert.equal(factTable([["B", null]]), "");
});

/** Headings of second order, and the text of each. */
function sectionsOf(card: string): Map<string, string> {
  return new Map(
    card.split(/^## /m).slice(1).map((part) => {
      const end = part.indexOf("\n");
      return [part.slice(0, end), part.slice(end)];
    }),
  );
}

Deno.test("modelCard() tells data, settings, results and limits of a pre-training run", async () => {
  using folder = temporaryFolder();
  const run = `${folder.path}/run`, card = `${folder.path}/CARD.md`;
  await writePretrainedRun(run);
  const { files } = await exportModel({
    from: run,
    format: "nnssl",
    out: `${folder.path}/a.pth`,
    card,
    licence: "CC-BY-4.0",
  });
  assert.equal(files.at(-1), card);
  const text = await Deno.readTextFile(card);
  assert.match(
    text,
    /^---\nlicense: CC-BY-4\.0\nlibrary_name: spark3d\n[^]*?\n---\n\n# U-Net pre-trained with S3D, trained on /,
  );
  const parts = sectionsOf(text);
  assert.deepEqual([...parts.keys()], [
    "Model details",
    "Intended use",
    "How to use it",
    "Training data",
    "Preprocessing",
    "Training",
    "Results",
    "Limits",
    "Licence",
    "Citation",
  ]);
  assert.match(parts.get("How to use it")!, /nnUNetv2_preprocess_like_nnssl -d ID -n NAME -pc a\.pth/);
  assert.match(parts.get("Training data")!, /Volumes \| 3 \|[^]*FLAIR 1, T1w 2/);
  assert.match(parts.get("Preprocessing")!, /turned to RAS[^]*1 x 1 x 1/);
  assert.match(parts.get("Training")!, /drawn from 0\.6 to 0\.9[^]*Test adapter/);
  assert.match(parts.get("Results")!, /0\.8123 \|[^]*0\.3333 at step 3, 0\.1667 at step 6/);
  assert.match(parts.get("Limits")!, /- The optimizer's state is left out: [^\n]*\.\n/);
  assert.match(parts.get("Licence")!, /CC-BY-4\.0, as stated/);
});

Deno.test("modelCard() says of a segmentation network what its labels are, and that no licence was stated", async () => {
  using folder = temporaryFolder();
  await writeSegmentationRun(`${folder.path}/run`);
  await exportModel({ from: `${folder.path}/run`, format: "nnunet", out: `${folder.path}/a.pth` });
  const text = await Deno.readTextFile(`${folder.path}/README.md`);
  assert.match(text, /license: other\nlicense_name: unstated\n[^]*pipeline_tag: image-segmentation/);
  const parts = sectionsOf(text);
  assert.match(parts.get("Training data")!, /Cases with labels \| 5 \|[^]*background, shell, core/);
  assert.match(parts.get("Training")!, /Started from \| first/);
  assert.match(parts.get("Licence")!, /Nobody stated a licence/);
});

Deno.test("exportModel() replaces its own card and leaves another README.md alone", async () => {
  using folder = temporaryFolder();
  await writePretrainedRun(`${folder.path}/run`);
  const request = { from: `${folder.path}/run`, format: "nnunet", out: `${folder.path}/a.pth` } as const;
  await exportModel(request);
  await exportModel(request);
  await Deno.remove(request.out);
  await Deno.writeTextFile(`${folder.path}/README.md`, "# Mine\n");
  await assert.rejects(exportModel(request), {
    name: "DataError",
    message: /README\.md: found a file that is no model card of Spark3D, wanted none: .*--no-card$/,
  });
  assert.equal(await Deno.stat(request.out).catch(() => null), null, "nothing was written");
  await exportModel({ ...request, card: `${folder.path}/CARD.md` });
  assert.equal(await Deno.readTextFile(`${folder.path}/README.md`), "# Mine\n");
});
