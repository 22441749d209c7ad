import assert from "node:assert/strict";
import { hasAdapter } from "./support/gpu.ts";
import { freshCache, serveCheckout } from "./support/served_checkout.ts";
import { spawn, temporaryFolder } from "./support/spawn.ts";

/** A program in a folder without configuration that uses the library by URL. */
const program = (origin: string) => `
import { Graph, caseMetrics, compile, generatePhantom, leakyRelu, learningRate, resolveRunConfig, runSchedule, sampleBlockMask, tensor, verifyPlan, openGpu, Executor } from "${origin}/mod.ts";
const config = resolveRunConfig({ preset: "paper" });
const lr: number = learningRate(runSchedule(config), 0, config.epochs);
const mask = sampleBlockMask({ patch: [64, 64, 64], block: 16, ratio: 0.75, seed: 1, step: 0, sample: 0 });
const map = Uint8Array.of(0, 1, 1, 0, 0, 0, 0, 0);
const dice = caseMetrics({ data: map, shape: [2, 2, 2] }, { data: map, shape: [2, 2, 2] }, { classes: [{ name: "a", values: [1] }], ignore: null, spacing: [1, 1, 1], tolerances: [1], surface: true });
const graph = new Graph();
const x = graph.input("x", tensor([1, 4, 3, 3, 3]));
const [y] = graph.apply(leakyRelu, [x], { slope: 0.01 });
graph.output("y", y);
let gpu: string = "none";
if (Deno.args.includes("gpu")) {
  using device = await openGpu();
  const plan = compile(graph, { device: device.facts, phases: { run: [y] } });
  verifyPlan(plan, device.facts);
  using executor = await Executor.create(device, plan);
  executor.write("x", new Float32Array(108).fill(-2));
  executor.run("run");
  const values = await executor.read("y");
  gpu = [values.length, values[0].toFixed(4), values[107].toFixed(4)].join(" ");
}
console.log(JSON.stringify({ lr, kept: mask.keptCount, phantom: typeof generatePhantom, dice: dice["1"].Dice, gpu }));
`;

Deno.test({
  name: "mod.ts works when it is imported by URL from a folder without configuration",
  sanitizeResources: false,
  async fn() {
    using folder = temporaryFolder();
    const { server, requested, origin } = serveCheckout();
    try {
      const env = { DENO_DIR: await freshCache(folder.path), DENO_COVERAGE_DIR: "" };
      await Deno.mkdir(`${folder.path}/consumer`);
      const script = `${folder.path}/consumer/main.ts`;
      await Deno.writeTextFile(script, program(origin));
      const options = { cwd: `${folder.path}/consumer`, env };
      const run = await spawn(Deno.execPath(), [
        "run",
        "--quiet",
        "--allow-all",
        script,
        ...(hasAdapter ? ["gpu"] : []),
      ], options);
      assert.equal(run.code, 0, run.stderr);
      const found = JSON.parse(run.stdout);
      assert.deepEqual(found, {
        lr: 0.01,
        kept: 16,
        phantom: "function",
        dice: 1,
        gpu: hasAdapter ? "108 -0.0200 -0.0200" : "none",
      });
      const check = await spawn(
        Deno.execPath(),
        ["check", "--quiet", `--allow-import=${new URL(origin).host}`, script],
        options,
      );
      assert.equal(check.code, 0, check.stderr);
      assert.ok(requested.includes("/mod.ts"));
      const outside = requested.filter((path) =>
        !/^\/(mod\.ts|deno\.json|(kernels|model|data|train|evaluate)\/)/.test(path)
      );
      assert.deepEqual(
        outside,
        [],
        "modules reachable from mod.ts lie in kernels/, model/, data/, train/ and evaluate/",
      );
    } finally {
      await server.shutdown();
    }
  },
});

Deno.test("importing mod.ts touches neither Deno nor the GPU", async () => {
  const script = `
    const touched = [];
    const watch = (name) => new Proxy({}, { get: (_, key) => { touched.push(name + "." + String(key)); return undefined; } });
    const { log } = console;
    Object.defineProperty(globalThis, "Deno", { value: watch("Deno"), configurable: true });
    Object.defineProperty(globalThis, "navigator", { value: watch("navigator"), configurable: true });
    const module = await import("${new URL("../mod.ts", import.meta.url).href}");
    log(JSON.stringify({ touched, names: Object.keys(module).length }));`;
  using folder = temporaryFolder();
  const path = `${folder.path}/main.ts`;
  await Deno.writeTextFile(path, script);
  const { code, stdout, stderr } = await spawn(Deno.execPath(), [
    "run",
    "--quiet",
    "--allow-all",
    "--no-check",
    path,
  ]);
  assert.equal(code, 0, stderr);
  const { touched, names } = JSON.parse(stdout);
  // zod reads navigator.userAgent to see whether it may compile its parsers
  assert.deepEqual(touched.filter((name: string) => name !== "navigator.userAgent"), []);
  assert.ok(names > 20);
});
