import assert from "node:assert/strict";
import { ArgumentError, parsePeerArguments } from "../../bench/peers/arguments.ts";
import { compareOps, relativeDifference } from "../../bench/peers/compare_ops.ts";
import { type ConvOp, DIRECTIONS, transpose } from "../../bench/peers/conv_library.ts";
import { loadPeer, PEER_PACKAGES, PeerError, peerVersion } from "../../bench/peers/deps.ts";
import { ourLibrary, smallCase } from "../../bench/peers/ours.ts";
import { peerRecord, peerRow } from "../../bench/peers/peer_record.ts";
import { sampledDifference } from "../../bench/peers/sampled_reference.ts";
import { contents } from "../../bench/data.ts";
import { validateCase } from "../../bench/validate.ts";
import { gpuTest } from "../support/gpu.ts";
import { importsOf, modulesBelow } from "../support/imports.ts";
import { repositoryRoot } from "../support/spawn.ts";

Deno.test("parsePeerArguments() has defaults for everything and reads shapes, operations and peers", () => {
  const all = parsePeerArguments([])!;
  assert.deepEqual(all.shapes, [{ from: 32, to: 32, edge: 48 }, { from: 128, to: 128, edge: 16 }]);
  assert.deepEqual(all.directions, [...DIRECTIONS]);
  assert.deepEqual(all.peers, Object.keys(PEER_PACKAGES));
  const some = parsePeerArguments([
    "--shape=4,8,16",
    "--op=forward",
    "--peers=tfjs",
    "--rounds=2",
    "--save",
  ])!;
  assert.deepEqual(
    [some.shapes, some.directions, some.peers, some.rounds, some.json, some.save],
    [[{ from: 4, to: 8, edge: 16 }], ["forward"], ["tfjs"], 2, false, true],
  );
  assert.equal(parsePeerArguments(["--help"]), null);
});

Deno.test("parsePeerArguments() says what an argument may be", () => {
  const cases: [string, RegExp][] = [
    ["--shape=32,32", /^Cannot use --shape=32,32: wanted IN,OUT,EDGE/],
    ["--shape=32,32,0", /wanted IN,OUT,EDGE/],
    ["--op=backward", /^Cannot use --op=backward: wanted forward, inputGradient, weightGradient$/],
    ["--peers=jax", /^Cannot use --peers=jax: wanted jax-js, tfjs$/],
    ["--rounds=0", /^Cannot use --rounds=0: wanted a whole number above 0$/],
    ["--adapter=fast", /^Cannot use --adapter=fast/],
    ["--fast", /fast/],
  ];
  for (const [argument, message] of cases) {
    assert.throws(() => parsePeerArguments([argument]), (error: Error) => {
      assert.ok(error instanceof ArgumentError);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("other libraries are pinned, and only bench/peers can reach them", async () => {
  for (const specifier of Object.values(PEER_PACKAGES).flat()) {
    assert.match(specifier, /^npm:@[\w-]+\/[\w-]+@\d+\.\d+\.\d+$/);
  }
  assert.deepEqual([peerVersion("jax-js"), peerVersion("tfjs")], ["0.1.25", "4.22.0"]);
  const wrong: string[] = [];
  for (const path of await modulesBelow(repositoryRoot, "")) {
    if (path.startsWith("bench/peers/") || path.startsWith("tests/")) continue;
    const source = await Deno.readTextFile(`${repositoryRoot}/${path}`);
    if (importsOf(source).some(({ specifier }) => specifier.includes("peers/"))) wrong.push(path);
  }
  assert.deepEqual(wrong, []);
  const lock = await Deno.readTextFile(`${repositoryRoot}/deno.lock`);
  assert.doesNotMatch(lock, /tfjs|jax-js/, "the project's lock file would make every user download them");
});

Deno.test("loadPeer() loads a library's packages in order and names the one that is missing", async () => {
  const asked: string[] = [];
  const missing = (specifier: string) => {
    asked.push(specifier);
    return asked.length === 1
      ? Promise.resolve({ first: true })
      : Promise.reject(new Error("could not be fetched\nwith a long story"));
  };
  await assert.rejects(loadPeer("tfjs", missing), (error: Error) => {
    assert.ok(error instanceof PeerError && error.peer === "tfjs");
    assert.match(
      error.message,
      /^Cannot load npm:@tensorflow\/tfjs-backend-webgpu@4\.22\.0: could not be fetched: .*--peers$/,
    );
    return true;
  });
  assert.deepEqual(asked, [...PEER_PACKAGES.tfjs]);
  assert.deepEqual(await loadPeer("jax-js", (specifier) => Promise.resolve({ specifier })), {
    specifier: PEER_PACKAGES["jax-js"][0],
  });
});

Deno.test("transpose() exchanges rows and columns", () => {
  assert.deepEqual([...transpose(Float32Array.of(1, 2, 3, 4, 5, 6), 2, 3)], [1, 4, 2, 5, 3, 6]);
});

Deno.test("relativeDifference() is 1 for another length and for NaN, else a share of the largest value", () => {
  const wanted = Float32Array.of(1, -4, 2);
  assert.equal(relativeDifference(wanted, Float32Array.of(1, -4, 2)), 0);
  assert.equal(relativeDifference(wanted, Float32Array.of(1, -4, 3)), 0.25);
  assert.equal(relativeDifference(wanted, Float32Array.of(1, -4)), 1);
  assert.equal(relativeDifference(wanted, Float32Array.of(1, NaN, 2)), 1);
  assert.equal(relativeDifference(wanted, Float32Array.of(NaN, -4, 2)), 1);
});

/** An operation that waits so long a run and logs its calls. */
function waiting(name: string, ms: number, log: string[], value = 1): ConvOp {
  return {
    mostRuns: 4,
    run: (count) => {
      log.push(`${name} x${count}`);
      return new Promise((resolve) => setTimeout(resolve, ms * count));
    },
    result: () => Promise.resolve(Float32Array.of(value, 2)),
  };
}

Deno.test("compareOps() lets libraries take turns, leaves out what is not offered, and bounds the runs of a sample", async () => {
  const log: string[] = [];
  const timings = await compareOps(
    [
      { library: "a", op: waiting("a", 120, log) },
      { library: "b", op: "not offered: no kernel" },
      { library: "c", op: waiting("c", 10, log, 1.001) },
    ],
    3,
    () => 2e-6,
  );
  assert.deepEqual(timings.map((t) => [t.library, t.times.length, t.runsPerSample]), [["a", 3, 1], [
    "c",
    3,
    4,
  ]]);
  assert.deepEqual(log.slice(-4), ["a x1", "c x4", "a x1", "c x4"]);
  assert.ok(timings[1].difference > 0.0004 && timings[1].difference < 0.0006);
  assert.ok(timings[0].times.every((ms) => ms > 100 && ms < 1000));
});

Deno.test("compareOps() does not time a library with another result, and stops when ours is wrong", async () => {
  const log: string[] = [];
  const ops = [{ library: "a", op: waiting("a", 1, []) }, { library: "b", op: waiting("b", 1, log, 1.1) }];
  const [, wrong] = await compareOps(ops, 1, () => 1e-6);
  assert.deepEqual([wrong.times.length, log.length], [0, 0]);
  assert.ok(Math.abs(wrong.difference - 0.05) < 1e-6);
  await assert.rejects(compareOps(ops, 1, () => 0.01), {
    name: "DisagreementError",
    message: /^Cannot compare with a: it is off by 1\.0e-2 of the largest value, wanted 0\.001 or less$/,
  });
});

Deno.test("peerRecord() gives rate, ratio and share, or the reason why there is none", () => {
  const common = {
    library: { name: "tfjs", version: "4.22.0" },
    op: "forward",
    shape: { from: 10, to: 10, edge: 10 },
    oursMs: 2,
    peakGflops: 10,
    machine: { adapter: "imaginary", runtime: "deno", commit: "abc" },
  } as const;
  const timing = { library: "tfjs", times: [6, 4, 5], runsPerSample: 2, difference: 1e-6 };
  const record = peerRecord({ ...common, timing });
  assert.deepEqual(
    [record.medianMs, record.minMs, record.ratioToOurs, record.gflops, record.shareOfPeak, record.samples],
    [5, 4, 2.5, 1.08, 0.10800000000000001, 3],
  );
  assert.match(peerRow(record), /^forward +10->10 k3 10\^3 +tfjs 4\.22\.0 +5\.00 +2\.50 x +1\.1 +10\.8 %$/);
  const missing = peerRecord({ ...common, timing: null, note: "not offered: no kernel" });
  assert.deepEqual([missing.medianMs, missing.shareOfPeak, missing.note], [
    null,
    null,
    "not offered: no kernel",
  ]);
  assert.match(peerRow(missing), /not offered: no kernel$/);
  const wrong = peerRecord({ ...common, timing: { ...timing, times: [], difference: 0.5 } });
  assert.equal(wrong.medianMs, null);
  assert.match(wrong.note ?? "", /^wrong result on this adapter: off by 5\.0e-1/);
});

gpuTest("ourLibrary() computes what plain conv3d and its gradients give", async (gpu) => {
  const shape = { from: 3, to: 5, edge: 6 };
  assert.ok(await validateCase(gpu, smallCase(shape)) < 1e-4);
  using library = ourLibrary(gpu, "abc");
  const data = { x: contents("noise", 648, 0), w: contents("noise", 405, 1), dy: contents("noise", 1080, 2) };
  using ops = await library.prepare(shape, data);
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, v, i) => sum + v * b[i], 0);
  const results = new Map<string, Float32Array>();
  for (const direction of DIRECTIONS) {
    const op = ops[direction];
    assert.ok(typeof op !== "string");
    await op.run(2);
    const result = await op.result();
    assert.ok(sampledDifference(direction, shape, data, result) < 1e-5, direction);
    result[0] += 1;
    assert.ok(sampledDifference(direction, shape, data, result) > 1e-2, direction);
    result[0] -= 1;
    results.set(direction, result);
  }
  // y is linear in x and in w, so <y, dy> = <x, dx> = <w, dw>
  const size = dot(results.get("forward")!, data.dy);
  assert.ok(Math.abs(size) > 1);
  assert.ok(Math.abs(dot(data.x, results.get("inputGradient")!) / size - 1) < 1e-4);
  assert.ok(Math.abs(dot(data.w, results.get("weightGradient")!) / size - 1) < 1e-4);
});
