import assert from "node:assert/strict";
import {
  BesideOptionError,
  ourConfig,
  parseBesideOptions,
  torchArguments,
  torchVariants,
} from "../../bench/pytorch/beside_options.ts";
import {
  failedRow,
  formatBeside,
  ourRow,
  type TorchResult,
  torchRow,
} from "../../bench/pytorch/beside_table.ts";
import type { BenchRecord } from "../../bench/record.ts";
import { resolveRunConfig } from "../../train/resolve_config.ts";
import { goldenDir } from "../golden/support.ts";
import { repositoryRoot, spawn } from "../support/spawn.ts";

Deno.test("parseBesideOptions() has the published step as default and names options that cannot be used", () => {
  const options = parseBesideOptions([])!;
  assert.deepEqual([options.patch, options.micro, options.batch, options.ratio, options.block], [
    160,
    1,
    1,
    0.75,
    16,
  ]);
  assert.equal(parseBesideOptions(["--micro=2"])!.batch, 2);
  assert.equal(parseBesideOptions(["-h"]), null);
  for (const argument of ["--patch=x", "--ratio=1", "--micro=0", "--steps=1.5", "--speed"]) {
    assert.throws(() => parseBesideOptions([argument]), BesideOptionError);
  }
});

Deno.test("both sides get the same patch, blocks, ratio and micro-batch", () => {
  const options = parseBesideOptions([
    "--patch=64",
    "--batch=4",
    "--micro=2",
    "--ratio=0.9",
    "--device=cpu",
  ])!;
  const config = resolveRunConfig({ preset: "paper", file: ourConfig(options, "f32") });
  assert.deepEqual(config.patch, [64, 64, 64]);
  assert.deepEqual(config.batch, { size: 4, micro: 2 });
  assert.deepEqual(config.mask, { block: 16, ratio: { kind: "fixed", value: 0.9 } });
  assert.equal(config.augmentation.mirror, false);
  assert.deepEqual(torchVariants(options).map((v) => v.name), ["fp32", "fp32 channels-last"]);
  assert.deepEqual(torchVariants({ device: "cuda:1" }).length, 6);
  assert.deepEqual(torchArguments(options, torchVariants(options)[1]), [
    ..."--patch=64 --block=16 --ratio=0.9 --batch=4 --micro=2 --steps=10 --device=cpu".split(" "),
    ..."--precision=fp32 --channels-last --profile --json".split(" "),
  ]);
});

const record = (op: string, medianMs: number, more: Partial<BenchRecord> = {}): BenchRecord => ({
  op,
  shape: "paper 64x64x64 batch 1",
  adapter: "imaginary",
  medianMs,
  minMs: medianMs - 1,
  gflops: 100,
  gbps: 2,
  shareOfPeak: 0.25,
  bound: "flop",
  runs: 3,
  clock: "gpu",
  runtime: "deno 2.9.6",
  commit: "abc",
  ...more,
});

const torch: TorchResult = {
  version: "2.1",
  device: "imaginary",
  precision: "fp32",
  medianMs: 1000,
  minMs: 990,
  forwardMs: 300,
  peakBytes: 2 ** 31,
  gmacStep: 288.4,
  gflops: 576.8,
  peakGflops: 1000,
  shareOfPeak: 0.5768,
  kernels: [{ kernel: "convolution", ms: 700, calls: 50 }],
};

Deno.test("formatBeside() puts both sides into one table, with what each computed and its longest kernels", () => {
  const parts = [1, 2, 3, 4, 5, 6].map((ms) => record(`step/op${ms}`, ms * 10));
  const ours = ourRow("f32", [record("peak.fma", 9), record("step", 400, { peakBytes: 2 ** 30 }), ...parts]);
  assert.deepEqual(ours.kernels.map((k) => k.name), ["op6", "op5", "op4", "op3", "op2"]);
  const text = formatBeside([
    ours,
    failedRow("spark3d", "f16", "not run: no shader-f16"),
    torchRow("fp32", torch),
  ]);
  assert.match(text, /\| spark3d abc \| f32 \| 400\.0 \| 399\.0 \| 2\.50 x \| 1\.00 \| 20\.0 \| 25\.0 % \|/);
  assert.match(text, /\| spark3d \| f16 \| not run: no shader-f16 \| - \|/);
  assert.match(
    text,
    /\| PyTorch 2\.1 \| fp32 \| 1000\.0 \| 990\.0 \| 1\.00 x \| 2\.00 \| 288\.4 \| 57\.7 % \|/,
  );
  assert.match(text, / 60\.00 ms {2}op6 {2}bound by flop, 25\.0 % of that peak/);
  assert.match(text, / 700\.00 ms {2}convolution$/m);
  assert.throws(() => ourRow("f32", parts), /printed no record/);
});

/** A Python that has PyTorch and numpy; null when there is none. */
async function pythonWithTorch(): Promise<string | null> {
  for (const python of ["python3", "/usr/bin/python3"]) {
    const found = await spawn(python, ["-c", "import torch, numpy"]).then(
      ({ code }) => code === 0,
      () => false,
    );
    if (found) return python;
  }
  return null;
}

const python = await pythonWithTorch();
const golden = goldenDir();
if (python === null) console.log("The step in PyTorch is not tested: no python3 can import torch and numpy");
const step = `${repositoryRoot}/bench/pytorch/step.py`;

Deno.test({
  name: "the step in PyTorch agrees with recorded layers, gradients and training runs",
  ignore: python === null || golden === null,
  fn: async () => {
    const { code, stdout, stderr } = await spawn(python!, [step, "--check", golden!]);
    assert.equal(code, 0, stdout + stderr);
    const [, passed] = stdout.match(/^(\d+) passed, 0 failed$/m) ?? [];
    assert.ok(Number(passed) > 500, stdout);
  },
});

Deno.test({
  name: "the step in PyTorch prints the figures that the table needs",
  ignore: python === null,
  fn: async () => {
    const args = "--patch=32 --block=8 --widths=tiny --steps=2 --warm-up=1 --device=cpu --profile --json"
      .split(" ");
    for (const more of [[], ["--norm=dense"], ["--precision=amp", "--channels-last", "--batch=2"]]) {
      const { code, stdout, stderr } = await spawn(python!, [step, ...args, ...more]);
      assert.equal(code, 0, stderr);
      const result = JSON.parse(stdout) as TorchResult;
      assert.ok(
        result.medianMs > 0 && result.shareOfPeak > 0 && result.gmacStep > 0 && result.peakBytes > 1e6,
      );
      assert.equal(result.kernels.length, 5);
    }
  },
});
