import assert from "node:assert/strict";
import { temporaryFolder } from "../support/spawn.ts";
import { addCounts, countJunit, formatCounts, noCounts, parseCounts } from "./counts.ts";
import { folderCoverage, hasStatements, parseLcov, removeUnfinished } from "./coverage.ts";
import { denoStage, judgeExit, programStage, type StageContext, testStage } from "./stages.ts";

/** A folder that stands for a checkout, and what its stages print. */
function checkout(files: Readonly<Record<string, string>>) {
  const folder = temporaryFolder();
  for (const [path, content] of Object.entries(files)) {
    Deno.mkdirSync(`${folder.path}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.writeTextFileSync(`${folder.path}/${path}`, content);
  }
  const lines: string[] = [];
  const context: StageContext = {
    root: folder.path,
    log: (line) => void lines.push(line),
    filter: null,
    coverage: null,
  };
  return { context, lines, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

Deno.test("parseCounts() reads the last line only", () => {
  assert.deepEqual(parseCounts("x\n3 passed, 1 failed, 4 skipped\n"), { passed: 3, failed: 1, skipped: 4 });
  assert.deepEqual(parseCounts("12 passed, 0 failed"), { passed: 12, failed: 0, skipped: 0 });
  assert.equal(parseCounts("3 passed, 1 failed\nerror: boom"), null);
  assert.equal(parseCounts(""), null);
});

Deno.test("formatCounts() leaves out skipped when there is none, and is what parseCounts() reads", () => {
  assert.equal(formatCounts({ passed: 2, failed: 0, skipped: 0 }), "2 passed, 0 failed");
  const counts = addCounts({ passed: 1, failed: 2, skipped: 3 }, { passed: 4, failed: 0, skipped: 1 });
  assert.deepEqual(parseCounts(formatCounts(counts)), counts);
});

Deno.test("countJunit() refuses what is no report", () => {
  assert.throws(() => countJunit("<html>"), /expected a <testsuites> element/);
  assert.deepEqual(countJunit(`<testsuites tests="0"></testsuites>`), noCounts);
});

Deno.test("testStage() counts passed, failed and ignored cases of a real run", async () => {
  using it = checkout({
    "tests/a_test.ts": `Deno.test("a", () => {});
      Deno.test.ignore("b", () => {});
      Deno.test("c > d", () => { throw new Error("<failure> in the text"); });
      Deno.test("e", async (t) => { await t.step("f", () => {}); });`,
  });
  const stage = testStage("tests", { paths: ["tests", "missing"] });
  assert.deepEqual(await stage.run(it.context), { passed: 3, failed: 1, skipped: 1 });
});

Deno.test("testStage() counts a module that does not load as a failure", async () => {
  using it = checkout({
    "tests/a_test.ts": `Deno.test("a", () => {});`,
    "tests/b_test.ts": `throw new Error("top");`,
  });
  const counts = await testStage("tests", { paths: ["tests"] }).run(it.context);
  assert.equal(counts.failed, 1);
});

Deno.test("testStage() counts a process that dies as a failure", async () => {
  using it = checkout({ "tests/a_test.ts": `Deno.test("a", () => Deno.kill(Deno.pid, "SIGKILL"));` });
  const counts = await testStage("tests", { paths: ["tests"] }).run(it.context);
  assert.deepEqual(counts, { passed: 0, failed: 1, skipped: 0 });
  assert.ok(it.lines.some((line) => line.includes("left no report")));
});

Deno.test("testStage() counts a process that crashes in a test as a failure", async () => {
  using it = checkout({
    "tests/a_test.ts": `Deno.test("a", () => {});`,
    "tests/b_test.ts": `Deno.test("b", () => Deno.kill(Deno.pid, "SIGABRT"));`,
  });
  const stage = testStage("tests", { paths: ["tests"] });
  assert.deepEqual(await stage.run(it.context), { ...noCounts, failed: 1 });
});

Deno.test("judgeExit() tells a crash behind a clean report from other failures", () => {
  const clean = { passed: 3, failed: 0, skipped: 1 }, lines: string[] = [];
  const judge = (code: number, counts = clean) => judgeExit("tests", code, counts, (l) => void lines.push(l));
  assert.deepEqual(judge(0), clean);
  assert.deepEqual(lines, []);
  assert.deepEqual(judge(134), clean);
  assert.match(lines.at(-1)!, /crashed at its exit \(code 134\)/);
  assert.deepEqual(judge(1), { ...clean, failed: 1 });
  assert.deepEqual(judge(137), { ...clean, failed: 1 });
  assert.deepEqual(judge(134, { ...clean, failed: 2 }), { ...clean, failed: 2 });
});

Deno.test("testStage() does nothing when no path exists", async () => {
  using it = checkout({});
  assert.deepEqual(await testStage("tests", { paths: ["tests"] }).run(it.context), noCounts);
});

Deno.test("programStage() takes the program's own counts, and a crash as a failure", async () => {
  const cases: [string, { passed: number; failed: number; skipped: number }][] = [
    [`console.log("5 passed, 0 failed, 2 skipped")`, { passed: 5, failed: 0, skipped: 2 }],
    [`console.log("5 passed, 1 failed"); Deno.exit(1)`, { passed: 5, failed: 1, skipped: 0 }],
    [`console.log("5 passed, 0 failed"); Deno.exit(3)`, { passed: 5, failed: 1, skipped: 0 }],
    [`console.log("5 passed, 0 failed"); console.log("late"); `, { passed: 0, failed: 1, skipped: 0 }],
    [`throw new Error("boom")`, { passed: 0, failed: 1, skipped: 0 }],
  ];
  for (const [program, wanted] of cases) {
    using it = checkout({ "run.ts": program });
    assert.deepEqual(await programStage("program", "run.ts", []).run(it.context), wanted, program);
  }
});

Deno.test("denoStage() passes or fails as a whole", async () => {
  using it = checkout({ "a.ts": "const x : number = 1;\nexport { x };\n" });
  assert.deepEqual(await denoStage("format", ["fmt", "--check"]).run(it.context), { ...noCounts, failed: 1 });
  assert.deepEqual(await denoStage("types", ["check", "--quiet", "a.ts"]).run(it.context), {
    ...noCounts,
    passed: 1,
  });
});

Deno.test("parseLcov() joins the records of one file", () => {
  const report = "SF:/a.ts\nDA:1,0\nDA:2,3\nend_of_record\nSF:/a.ts\nDA:1,1\nDA:3,0\nend_of_record\n";
  assert.deepEqual([...parseLcov(report)], [["/a.ts", { covered: 2, lines: 3 }]]);
});

Deno.test("folderCoverage() counts a module that no test loaded as not covered, and types as nothing", async () => {
  using it = checkout({
    "data/a.ts": "export const a = 1;\n",
    "data/deep/b.ts": "export const b = 1;\n\nexport const c = 2;\n",
    "data/types.ts": `import type { X } from "./x.ts";\nexport interface Y { x: X }\nexport type Z = Y;\n`,
    "data/mod.ts": `export * from "./a.ts";\n`,
  });
  const lcov = `SF:${it.context.root}/data/a.ts\nDA:1,1\nend_of_record\n`;
  assert.deepEqual(await folderCoverage(lcov, it.context.root, ["data"]), [
    { folder: "data", covered: 1, lines: 3, neverLoaded: ["data/deep/b.ts"] },
  ]);
});

Deno.test("hasStatements() tells code from declarations", () => {
  assert.ok(hasStatements("export function f() {}"));
  assert.ok(hasStatements("/** doc */\nexport class A {}"));
  assert.ok(!hasStatements(`export * from "./a.ts";\nexport type T = number;\n// const x\n`));
});

Deno.test("removeUnfinished() removes empty and cut coverage data, and nothing else", async () => {
  using folder = temporaryFolder();
  const { path } = folder;
  await Deno.writeTextFile(`${path}/whole.json`, `{"result": []}`);
  await Deno.writeTextFile(`${path}/cut.json`, `{"result": [`);
  await Deno.writeTextFile(`${path}/empty.json`, "");
  assert.equal(removeUnfinished(path), 2);
  assert.deepEqual([...Deno.readDirSync(path)].map(({ name }) => name), ["whole.json"]);
});
