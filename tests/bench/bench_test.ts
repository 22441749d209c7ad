import assert from "node:assert/strict";
import { buildCase } from "../../bench/case.ts";
import { families } from "../../bench/cases.ts";
import { compareRecords, formatComparison, parseRecords } from "../../bench/compare.ts";
import { contents } from "../../bench/data.ts";
import { HOST_COST_LIMIT_US, hostCost } from "../../bench/host_cost.ts";
import { operationsOf, toRecord } from "../../bench/kernels.ts";
import { type BenchRecord, machineFacts, median, tableRow } from "../../bench/record.ts";
import { copyCase, fmaCase } from "../../bench/roofline.ts";
import { timeOps } from "../../bench/time_case.ts";
import { validateCase } from "../../bench/validate.ts";
import { leakyRelu } from "../../kernels/ops/leaky_relu/op.ts";
import { elementCount, type OpDef } from "../../kernels/spec.ts";
import { gpuTest } from "../support/gpu.ts";
import { modulesBelow } from "../support/imports.ts";
import { repositoryRoot } from "../support/spawn.ts";

/** Whether an export defines an operation. */
function isOperation(value: unknown): value is OpDef {
  return typeof value === "object" && value !== null && "infer" in value && "lower" in value &&
    "reference" in value;
}

Deno.test("the benchmark covers every operation of kernels/ops, forward and backward", async () => {
  const defined = new Set<string>();
  for (const path of await modulesBelow(repositoryRoot, "kernels/ops")) {
    for (const value of Object.values(await import(`../../${path}`))) {
      if (isOperation(value)) defined.add(value.name);
    }
  }
  const covered = new Set(families.flatMap(operationsOf));
  assert.ok(defined.size > 30, `only ${defined.size} operations were found`);
  assert.deepEqual([...defined].filter((name) => !covered.has(name)), []);
});

Deno.test("every benchmark shape is one that its operation accepts, cheapest first", () => {
  for (const { name, cases } of families) {
    const work = cases.map((c) =>
      [...buildCase(c).costs.values()].reduce((sum, k) => sum + k.flop + k.bytes, 0)
    );
    assert.deepEqual(work, [...work].sort((a, b) => a - b), name);
  }
});

Deno.test("contents() repeats, fills any length and holds what its kind promises", () => {
  for (const length of [1, 1000, 65536, 65537, 200_000]) {
    const data = contents("noise", length, 3);
    assert.equal(data.length, length);
    for (let i = 0; i < length; i += 97) assert.ok(Math.abs(data[i]) < 1 && data[i] === data[i % 65536]);
    assert.notEqual(data.at(-1), 0);
  }
  assert.deepEqual([...new Set(contents("mask", 500, 1))].sort(), [0, 1]);
  assert.deepEqual([...new Set(contents("labels", 500, 1))].sort(), [0, 1, 2]);
  assert.ok(contents("positive", 500, 1).every((v) => v > 0.49 && v < 1.51));
});

for (const family of families) {
  gpuTest(`benchmark of ${family.name} is validated`, async (gpu) => {
    for (const small of family.small) {
      if (JSON.stringify(small.attrs).includes("f16") && !gpu.facts.f16) continue;
      const worst = await validateCase(gpu, small);
      assert.ok(worst >= 0 && worst < 1e-3);
    }
  });
}

gpuTest("the peak kernels compute what they say", async (gpu) => {
  for (const fused of [false, true]) {
    await validateCase(gpu, fmaCase({ threads: 70, iterations: 50, chains: 2, fused }));
  }
  for (const width of [1, 4] as const) await validateCase(gpu, copyCase(1000, { width, group: 64 }));
});

gpuTest("validateCase() refuses a kernel that differs from its reference", async (gpu) => {
  const wrong: typeof leakyRelu = { ...leakyRelu, reference: ({ inputs: [x] }) => [x.map((v) => v)] };
  const c = { op: wrong, attrs: { slope: 0.5 }, shape: "16", inputs: [{ shape: [16], gradient: false }] };
  await assert.rejects(validateCase(gpu, c), {
    name: "ValidationError",
    message: /^leakyRelu 16: leakyRelu#0\[\d+\] is -0\.\d+, the reference gives -0\.\d+$/,
  });
});

gpuTest("timeOps() times the forward operation and those of its backward", async (gpu) => {
  const shape = [1, 2, 8, 8, 8];
  const c = { op: leakyRelu, attrs: { slope: 0.5 }, shape: "2x8^3", inputs: [{ shape }] };
  const times = await timeOps(gpu, c, gpu.facts.timestamps ? "gpu" : "host", { runs: 2 });
  assert.deepEqual(times.map((t) => [t.op, t.times.length]), [["leakyRelu", 2], ["leakyReluGradient", 2]]);
  const n = elementCount(shape);
  assert.deepEqual(times.map((t) => t.cost), [{ flop: n, bytes: 8 * n }, { flop: n, bytes: 12 * n }]);
});

gpuTest(`a replayed dispatch costs the host at most ${HOST_COST_LIMIT_US} us`, async (gpu) => {
  const notes: string[] = [];
  const record = await hostCost(gpu, await machineFacts(gpu.facts.adapter), (text) => notes.push(text));
  assert.match(notes[0], /within the limit of 5 us/);
  assert.ok(record.minMs * 1000 / 1000 <= HOST_COST_LIMIT_US);
});

const record = (op: string, medianMs: number, more: Partial<BenchRecord> = {}): BenchRecord => ({
  op,
  shape: "64x80^3",
  adapter: "imaginary",
  medianMs,
  minMs: medianMs,
  gflops: 1,
  gbps: 2,
  shareOfPeak: 0.25,
  bound: "bytes",
  runs: 3,
  clock: "gpu",
  runtime: "deno 2.9.6",
  commit: "abc",
  ...more,
});

Deno.test("compareRecords() pairs operations and shapes and says how much faster the second run is", () => {
  const before = [record("add", 8), record("conv3d", 100), record("gone", 1)];
  const after = [record("conv3d", 80), record("conv3d", 25), record("new", 1), record("add", 16)];
  assert.deepEqual(
    compareRecords(before, after).map((
      { op, beforeMs, afterMs, speedup },
    ) => [op, beforeMs, afterMs, speedup]),
    [["conv3d", 100, 25, 4], ["add", 8, 16, 0.5]],
  );
  const other = [record("add", 4, { shape: "1" })];
  assert.deepEqual(compareRecords(before, other), []);
  assert.match(
    formatComparison(before, after),
    /^imaginary, deno 2\.9\.6\nabc -> abc\nconv3d .* 4\.00 x\nadd .* 0\.50 x$/,
  );
  assert.match(
    formatComparison(before, [record("add", 1, { adapter: "other" })]),
    /^DIFFERENT MACHINES: imaginary/,
  );
});

Deno.test("parseRecords() reads the JSON lines between other lines", () => {
  const text = `a note\noperation  shape\n${JSON.stringify(record("add", 8))}\n\n`;
  assert.deepEqual(parseRecords(text), [record("add", 8)]);
});

Deno.test("toRecord() gives rates at the median and the share of the tighter peak", async () => {
  const roofline = { gflops: 100, gbps: 10 } as Parameters<typeof toRecord>[1]["roofline"];
  const machine = await machineFacts("imaginary");
  assert.match(machine.commit, /^([0-9a-f]{10}\+?|unknown)$/);
  const times = [4, 2, 8];
  const flops = toRecord({ op: "a", shape: "s", times, cost: { flop: 2e8, bytes: 1e6 } }, {
    machine,
    clock: "gpu",
    roofline,
  });
  assert.deepEqual(
    [flops.medianMs, flops.minMs, flops.gflops, flops.gbps, flops.shareOfPeak, flops.bound],
    [4, 2, 50, 0.25, 0.5, "flop"],
  );
  const bytes = toRecord({ op: "a", shape: "s", times, cost: { flop: 0, bytes: 1e7 } }, {
    machine,
    clock: "gpu",
    roofline,
  });
  assert.deepEqual([bytes.gflops, bytes.gbps, bytes.shareOfPeak, bytes.bound], [null, 2.5, 0.25, "bytes"]);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(
    tableRow(flops),
    "a                                  s                                       4.000      2.000     50.00    0.25   50.0 %  flop",
  );
});
