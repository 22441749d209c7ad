import assert from "node:assert/strict";
import { tuningTableSchema } from "../../train/tuning.ts";
import { hasAdapter } from "../support/gpu.ts";
import { spawnSpark3d, temporaryFolder } from "../support/spawn.ts";

const run = {
  network: { preset: "tiny", features: [4, 6], blocks: [1, 1] },
  patch: [16, 16, 16],
  mask: { block: 4 },
};

Deno.test({
  name: "spark3d tune writes a table that plan takes, and that another adapter refuses",
  ignore: !hasAdapter,
  async fn() {
    using folder = temporaryFolder();
    const [config, out] = [`${folder.path}/config.json`, `${folder.path}/tables/tuning.json`];
    await Deno.writeTextFile(config, JSON.stringify(run));
    const tuned = await spawnSpark3d(["tune", "--config", config, "--budget", "4", "--out", out, "--json"]);
    assert.equal(tuned.code, 0, tuned.stderr);
    const facts = JSON.parse(tuned.stdout);
    const table = tuningTableSchema.parse(JSON.parse(await Deno.readTextFile(out)));
    assert.deepEqual([facts.ok, facts.out, facts.adapter], [true, out, table.adapter]);
    assert.equal(facts.measured, Object.keys(table.entries).length);
    assert.ok(facts.measured >= 1 && facts.measured <= facts.queries && facts.ms <= facts.ruleMs);
    assert.match(tuned.stderr, /k3x3x3 .*: rule \d+\.\d{3} ms, best of \d+ \d+\.\d{3} ms .*, gain \d+\.\d %/);
    assert.deepEqual(
      (await Array.fromAsync(Deno.readDir(`${folder.path}/tables`))).length,
      1,
      "no leftovers",
    );

    const plan = (tuning: string) => spawnSpark3d(["plan", "--config", config, "--tuning", tuning, "--json"]);
    const taken = await plan(out);
    assert.equal(taken.code, 0, taken.stderr);
    const printed = await spawnSpark3d(["pretrain", "--print-config", "--config", config, "--tuning", out]);
    assert.deepEqual(JSON.parse(printed.stdout).tuning, table);
    const other = `${folder.path}/other.json`;
    await Deno.writeTextFile(other, JSON.stringify({ ...table, adapter: "another GPU" }));
    const refused = await plan(other);
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /^error: Cannot use a tuning table of another GPU on .*: measure this adapter/,
    );
    const missing = await plan(`${folder.path}/none.json`);
    assert.equal(missing.code, 2);
    assert.match(missing.stderr, /^error: .*--tuning.*Expected a JSON file \(no such file\)/);
  },
});
