import assert from "node:assert/strict";
import { resultsFileName, savedResults, saveResults } from "../../bench/save_results.ts";
import { modulesBelow } from "../support/imports.ts";
import { repositoryRoot, temporaryFolder } from "../support/spawn.ts";

const machine = { adapter: "llvmpipe (LLVM 15.0.6, 256 bits)", runtime: "deno 2.9.6", commit: "0123456789+" };

Deno.test("saveResults() writes one file of facts and results, over an earlier one", async () => {
  using folder = temporaryFolder();
  const before = Date.now();
  const saved = savedResults("peers", "deno run -A bench/peers/run.ts", machine, [{ ms: 1 }]);
  assert.equal(resultsFileName(saved), "peers_llvmpipe_llvm_15_0_6_256_bits_0123456789_changed.json");
  const path = await saveResults(saved, `${folder.path}/results`);
  await saveResults({ ...saved, results: [{ ms: 2 }] }, `${folder.path}/results`);
  const names = [...Deno.readDirSync(`${folder.path}/results`)].map((entry) => entry.name);
  assert.deepEqual(names, [resultsFileName(saved)]);
  const read = JSON.parse(await Deno.readTextFile(path));
  assert.deepEqual(read, { ...saved, results: [{ ms: 2 }] });
  assert.ok(Date.parse(read.date) >= before && Date.parse(read.date) <= Date.now());
});

Deno.test("every kept result names adapter, commit, runtime, date and command, and its file is named after them", async () => {
  assert.ok((await modulesBelow(repositoryRoot, "bench")).length > 0);
  for (const { name } of Deno.readDirSync(`${repositoryRoot}/bench/results`)) {
    const read = JSON.parse(await Deno.readTextFile(`${repositoryRoot}/bench/results/${name}`));
    assert.equal(resultsFileName(read), name);
    assert.ok(read.results.length > 0 && read.runtime && read.command, name);
    assert.ok(!Number.isNaN(Date.parse(read.date)), name);
  }
});
