import assert from "node:assert/strict";
import { compileRun } from "../../train/compile_run.ts";
import { resolveRunConfig } from "../../train/resolve_config.ts";
import { buildPretrainGraph } from "../../train/step.ts";
import { gatherQueries, tuneTiles } from "../../train/tune.ts";
import { tuningTableSchema } from "../../train/tuning.ts";
import { plainDevice } from "../support/device_facts.ts";
import { gpuTest } from "../support/gpu.ts";
import { temporaryFolder } from "../support/spawn.ts";
import { makeNoiseStore, runTiny, tinyConfig } from "./tiny_run.ts";

const entry = { size: [1, 1, 2] as [number, number, number], quads: 1, blocks: 1, ms: 1, ruleMs: 2 };
const table = { adapter: "imaginary", runtime: "test", entries: { a: entry } };

Deno.test("gatherQueries() lists each gather of a micro-batch once, most arithmetic first", () => {
  const config = tinyConfig();
  const queries = gatherQueries(config, plainDevice);
  assert.equal(new Set(queries.map((q) => q.choice.key)).size, queries.length);
  const shares = queries.map((q) => q.share);
  assert.deepEqual(shares, [...shares].sort((a, b) => b - a));
  assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-9);
  const { micro } = compileRun(buildPretrainGraph(config), config, plainDevice).phases;
  const gathers = micro.filter((d) => /^conv(Transpose)?3d/.test(d.op) && d.label.startsWith("pack by"));
  assert.equal(queries.reduce((sum, q) => sum + q.count, 0), gathers.length);
});

Deno.test("a configuration takes one tuning table whole, and null takes it away", () => {
  const flags = { tuning: { ...table, entries: { b: entry } } };
  const over = resolveRunConfig({ file: { tuning: table }, flags });
  assert.deepEqual(over.tuning, flags.tuning);
  assert.deepEqual(resolveRunConfig({ file: { tuning: table } }).tuning, table);
  assert.equal(resolveRunConfig({ file: { tuning: table }, flags: { tuning: null } }).tuning, null);
  const bad = { ...table, entries: { a: { ...entry, quads: 0 } } };
  assert.throws(() => resolveRunConfig({ flags: { tuning: bad } }), /tuning\.entries\.a\.quads/);
});

Deno.test("a run's plan has the tiles of its tuning table", () => {
  const config = tinyConfig();
  const [{ choice: { key, candidates } }] = gatherQueries(config, plainDevice);
  const sources = (tuning: typeof config.tuning) =>
    compileRun(buildPretrainGraph(config), { ...config, tuning }, plainDevice).sources;
  const [, { size, quads, blocks }] = candidates;
  const tile = { size: [...size] as [number, number, number], quads, blocks, ms: 1, ruleMs: 2 };
  const tuned = sources({ ...table, entries: { [key]: tile } });
  assert.notDeepEqual(tuned.map((s) => s.length), sources(null).map((s) => s.length));
  assert.throws(() => sources({ ...table, adapter: "another" }), /Cannot use a tuning table of another on/);
});

gpuTest(
  "tuneTiles() measures the gathers with most arithmetic and stops when its budget is used up",
  async (gpu) => {
    const queries = gatherQueries(tinyConfig(), gpu.facts).slice(0, 2);
    const clock = gpu.facts.timestamps ? "gpu" as const : "host" as const;
    const seen: number[] = [];
    const tuned = await tuneTiles({
      queries,
      gpu,
      clock,
      budgetMs: 60_000,
      onQuery: (_, done) => seen.push(done),
    });
    assert.deepEqual(seen, [1, 2]);
    for (const [i, { key, tile, tried }] of tuned.entries()) {
      assert.equal(key, queries[i].choice.key);
      assert.ok(tile && tried > 1, `${tried} tiles of ${key}`);
      assert.ok(tile.ms > 0 && tile.ms <= tile.ruleMs, JSON.stringify(tile));
      const { size, quads, blocks } = tile;
      const found = queries[i].choice.candidates.map((c) => JSON.stringify([c.size, c.quads, c.blocks]));
      assert.ok(found.includes(JSON.stringify([size, quads, blocks])), JSON.stringify(tile));
    }
    const entries = Object.fromEntries(tuned.map(({ key, tile }) => [key, tile]));
    assert.ok(
      tuningTableSchema.safeParse({ adapter: gpu.facts.adapter, runtime: "test", entries }).success,
    );
    const none = await tuneTiles({ queries, gpu, clock, budgetMs: 0, onQuery: () => assert.fail() });
    assert.deepEqual(none, []);
  },
);

gpuTest("run.json has the tuning table of a run, and the run trains with it", async (gpu) => {
  using folder = temporaryFolder();
  const plain = tinyConfig({ epochs: 1, stepsPerEpoch: 1 });
  const entries = Object.fromEntries(
    gatherQueries(plain, gpu.facts).slice(0, 2).map(({ choice: { key, candidates } }) => {
      const { size, quads, blocks } = candidates.at(-1)!;
      return [key, { size: [...size], quads, blocks, ms: 1, ruleMs: 2 }];
    }),
  );
  const tuning = tuningTableSchema.parse({ adapter: gpu.facts.adapter, runtime: "test", entries });
  const { summary } = await runTiny(await makeNoiseStore(folder.path), `${folder.path}/run`, {
    ...plain,
    tuning,
  });
  assert.equal(summary.state, "finished");
  assert.ok(summary.trainLoss !== null && Number.isFinite(summary.trainLoss));
  const record = JSON.parse(await Deno.readTextFile(`${folder.path}/run/run.json`));
  assert.deepEqual(record.config.tuning, tuning);
});
