import assert from "node:assert/strict";
import type { MemoryPlan } from "../../train/memory_plan.ts";
import { renderToString } from "../../web/deps.ts";
import { createDashboard } from "../../web/dashboard.ts";
import type { ChartSpec } from "../../web/islands/chart_specs.ts";
import { h } from "../../web/islands/deps.ts";
import { labelColour } from "../../web/islands/label_colours.ts";
import { MemoryPlanPicture, MemoryPlanTables } from "../../web/islands/memory_plan.tsx";
import { layoutMemoryPlan, mebibyteTicks } from "../../web/islands/memory_plan_layout.ts";
import { roundTicks, StaticChart } from "../../web/static_chart.tsx";
import { encodePng } from "../../data/png.ts";
import { temporaryFolder } from "../support/spawn.ts";
import { MadeUpRun } from "./made_up_run.ts";

const MIB = 2 ** 20;
const plan: MemoryPlan = {
  format: "spark3d-plan-1",
  peakBytes: 14 * MIB,
  segments: [{ name: "weights", bytes: 3 * MIB }, { name: "gradients", bytes: 1 * MIB }],
  slots: [
    {
      bytes: 8 * MIB,
      tenants: [
        { name: "encoder.stem/conv3d", phase: "micro", first: 0, last: 4, bytes: 8 * MIB },
        { name: "decoder.0/conv3d", phase: "evaluate", first: 1, last: 2, bytes: 5 * MIB },
      ],
    },
    { bytes: 2 * MIB, tenants: [{ name: "loss/<sum>", phase: "micro", first: 9, last: 9, bytes: MIB }] },
  ],
  phases: [{ name: "micro", dispatches: 10, flop: 2e9 }, { name: "evaluate", dispatches: 4, flop: 1e9 }],
};

Deno.test("layoutMemoryPlan() stacks every byte once and puts phases one after another", () => {
  const { boxes, phases, dispatches, bytes } = layoutMemoryPlan(plan);
  assert.equal(bytes, plan.peakBytes);
  assert.equal(dispatches, 14);
  assert.deepEqual(phases.map(({ start, span }) => [start, span]), [[0, 10], [10, 4]]);
  const find = (name: string) => boxes.find((box) => box.name === name)!;
  assert.deepEqual(
    ["weights", "gradients", "slot 1", "slot 2"].map((name) => find(name).bottom / MIB),
    [0, 3, 4, 12],
  );
  const decoder = find("decoder.0/conv3d");
  assert.deepEqual([decoder.start, decoder.span, decoder.bottom / MIB, decoder.kind], [11, 2, 4, "decoder"]);
  for (const { bottom, bytes: size, start, span } of boxes) {
    assert.ok(bottom + size <= bytes && start + span <= dispatches);
  }
});

Deno.test("mebibyteTicks() are at most seven round numbers from 0", () => {
  for (const mib of [0.3, 1, 14, 100, 8851, 81920]) {
    const ticks = mebibyteTicks(mib * MIB);
    assert.ok(ticks.length >= 2 && ticks.length <= 7, `${mib}: ${ticks}`);
    assert.ok(ticks[0] === 0 && ticks.at(-1)! <= mib);
  }
});

Deno.test("MemoryPlanPicture() names every rectangle, escaped, and its tables hold the figures", () => {
  const layout = layoutMemoryPlan(plan);
  const picture = renderToString(h(MemoryPlanPicture, { layout, selected: 0 }));
  assert.match(picture, /<title>encoder\.stem\/conv3d: 8 MiB from dispatch 0 to 4 of micro<\/title>/);
  assert.match(picture, /<title>weights: 3 MiB, held all the time<\/title>/);
  assert.match(picture, /loss\/&lt;sum/);
  assert.match(
    picture,
    /aria-label="GPU memory over 14 dispatches in 2 phases: 14 MiB, of which 4 MiB are held all the time"/,
  );
  assert.equal(picture.match(/memory-selected/g)?.length, 1);
  const tables = renderToString(h(MemoryPlanTables, { layout }));
  assert.match(tables, /decoder\.0\/conv3d.*evaluate, 1 to 2.*5 MiB/);
  for (const name of ["weights", "gradients", "micro"]) assert.ok(tables.includes(name));
});

Deno.test("labelColour() differs between the labels of any usual task", () => {
  const colours = Array.from({ length: 28 }, (_, i) => labelColour(i + 1).join());
  assert.equal(new Set(colours).size, 28);
});

Deno.test("roundTicks() lie inside the range at 1, 2 or 5 times a power of ten", () => {
  assert.deepEqual(roundTicks(0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(roundTicks(-3, 12, 5), [0, 5, 10]);
  assert.deepEqual(roundTicks(0.00011, 0.00019, 4), [0.00012, 0.00014, 0.00016, 0.00018]);
  assert.deepEqual(roundTicks(5, 5, 5), [5]);
});

const spec: ChartSpec = {
  group: "Learning",
  title: "Loss",
  unit: "",
  curves: [{ metric: "loss", label: "training step", band: true }],
  references: [{ label: "best constant", value: 1 }],
};
const curve = (y: readonly (number | null)[]) => ({ x: y.map((_, i) => i + 1), y, lowest: y, highest: y });
const draw = (y: readonly (number | null)[], log = false) =>
  renderToString(h(StaticChart, { spec: { ...spec, log }, curves: [curve(y)] }));

Deno.test("StaticChart() draws gaps, single values and logarithms without a coordinate that is no number", () => {
  const gap = draw([0.5, 0.25, null, 0.125]);
  const line = gap.match(/class="curve data-1" d="(M[^"]+)"/)![1];
  assert.equal(line.match(/M/g)!.length, 2, "the line is interrupted");
  assert.match(gap, /training step: 0\.125/);
  assert.match(gap, /best constant: 1/);
  for (const markup of [gap, draw([3]), draw([2, 2, 2]), draw([1e-3, 1, 1e3], true), draw([-1, 0])]) {
    assert.doesNotMatch(markup, /NaN|Infinity|undefined/);
  }
  const ticks = (markup: string) =>
    [...markup.matchAll(/<text[^>]*end">([^<]*)</g)].map(([, text]) => text).slice(0, -1);
  assert.deepEqual(ticks(draw([0, 0])), ["0", "0.200", "0.400", "0.600", "0.800", "1"]);
  assert.deepEqual(ticks(draw([1, 5], true)), ["1", "2", "5"]);
  assert.deepEqual(ticks(draw([1e-3, 1e3], true)).length, 7);
  assert.equal(draw([]), "");
  assert.equal(draw([null]), "");
});

Deno.test("a run's pages of pictures, volumes and its snapshot say what there is", async (t) => {
  using folder = temporaryFolder();
  const out = `${folder.path}/first <b>`;
  const run = await MadeUpRun.start(out, 3);
  run.advance(run.stepsPerEpoch);
  const dashboard = await createDashboard({
    roots: [folder.path],
    token: null,
    allowControl: false,
    version: "1.2.3",
  });
  const get = (path: string) =>
    dashboard.fetch(new Request(`http://localhost/run/${encodeURIComponent("first <b>")}/${path}`));
  try {
    await t.step("a run without a reconstruction says when the first comes", async () => {
      assert.match(await (await get("pictures")).text(), /the first comes with the first validation/);
    });
    await t.step("slices are shown by the viewer, pictures of a run without slices as they are", async () => {
      await Deno.mkdir(`${out}/pictures`);
      const png = encodePng({ width: 2, height: 1, channels: 1, data: new Uint8Array([0, 255]) });
      await Deno.writeFile(`${out}/pictures/step_00000020.png`, png);
      assert.match(await (await get("pictures")).text(), /data-island="StoredPictures".*step_00000020\.png/s);
      await run.drawSlices();
      assert.match(
        await (await get("pictures")).text(),
        /data-island="SliceViewer".*reference\.safetensors/s,
      );
    });
    await t.step("volumes are listed, and a file that is none of them is refused", async () => {
      assert.match(await (await get("volume")).text(), /No volumes yet/);
      await Deno.mkdir(`${out}/validation`);
      await Deno.writeFile(`${out}/validation/head.nii.gz`, new Uint8Array(10));
      assert.match(
        await (await get("volume")).text(),
        /data-island="VolumeViewer".*validation\/head\.nii\.gz/s,
      );
      for (const file of ["../run.json", "run.json", "validation/none.nii.gz"]) {
        const { status, body } = await get(`volume?file=${encodeURIComponent(file)}`);
        await body?.cancel();
        assert.equal(status, 404, file);
      }
    });
    await t.step("the snapshot is one file that loads nothing", async () => {
      await Deno.writeTextFile(`${out}/plan.json`, JSON.stringify(plan));
      await Deno.writeTextFile(`${out}/notes.jsonl`, '{"time":1,"text":"<script>alert(1)</script>"}\n');
      const response = await get("snapshot.html");
      assert.equal(response.headers.get("content-disposition"), 'attachment; filename="first_b_.html"');
      const html = await response.text();
      assert.match(
        html,
        /http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"/,
      );
      assert.doesNotMatch(html, /<script|<link|<iframe|@import|(src|href)="(?!data:)/);
      assert.match(html, /first &lt;b/);
      assert.match(html, /&lt;script>alert\(1\)&lt;\/script>|&lt;script&gt;/);
      for (
        const part of [
          "Masked squared error|Loss",
          'class="curve data-1"',
          "data:image/png;base64,iVBOR",
          "slot 1: 8 MiB",
          "&quot;stepsPerEpoch&quot;: ",
          "Spark3D 1.2.3",
        ]
      ) {
        assert.match(html, new RegExp(part), part);
      }
    });
  } finally {
    await dashboard.close();
    run[Symbol.dispose]();
  }
});
