/** Weights go to PyTorch and come from it: Debian's python3-torch, and the script of the recorded values that compares files. */
import assert from "node:assert/strict";
import { writeSafetensors } from "../../data/safetensors_file.ts";
import { openTorchFile, type TorchDict, type TorchTensor } from "../../data/torch/mod.ts";
import { Graph, Scope } from "../../kernels/graph/graph.ts";
import { interpret } from "../../kernels/graph/interpret.ts";
import { elementCount, tensor } from "../../kernels/spec.ts";
import { isotropic, type NetworkConfig, networkPreset } from "../../model/config.ts";
import { resEncUNet } from "../../model/unet.ts";
import { architecturePlan } from "../../train/architecture_plan.ts";
import { exportModel } from "../../train/interop/export_model.ts";
import { readModel } from "../../train/interop/read_model.ts";
import type { JsonObject } from "../../train/merge_config.ts";
import { exact, type Feeds, largest } from "../model/network_case.ts";
import { hasAdapter, testGpu } from "../support/gpu.ts";
import { noise, runOnGpu } from "../support/ops.ts";
import { repositoryRoot, spawn, spawnSpark3d, temporaryFolder } from "../support/spawn.ts";
import { assertAllClose } from "../support/tolerance.ts";
import { blobDataset, blobPlans } from "../train/finetune/tiny_finetune.ts";
import { type Weights, writePretrainedRun, writeSegmentationRun } from "../train/interop/exported_run.ts";
import { torchKeys } from "../../model/parameters.ts";

/** A Python that has torch: the one on the path, or Debian's own. */
async function findPython(): Promise<string | null> {
  for (const python of ["python3", "/usr/bin/python3"]) {
    if ((await spawn(python, ["-c", "import torch"]).catch(() => null))?.code === 0) return python;
  }
  console.log("Tests with PyTorch are skipped: no python3 can import torch (Debian package python3-torch)");
  return null;
}

const python = await findPython();
const compareScript = `${repositoryRoot}/../shared/golden/check_pth.py`;
const hasScript = await Deno.stat(compareScript).then(() => true, () => false);
if (!hasScript) console.log("The comparison with PyTorch is skipped: no ../shared/golden/check_pth.py");
const networkScript = new URL("./torch_unet.py", import.meta.url).pathname;

/** Runs a Python script, which must succeed. @returns what it printed */
async function run(script: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await spawn(python!, [script, ...args]);
  assert.equal(code, 0, stdout + stderr);
  return stdout;
}

/** Writes weights under the first of their names, and the others as aliases, as the comparing script wants them. */
async function writeTwin(path: string, weights: Weights, keysOf: (name: string) => readonly string[]) {
  const stored = [...weights].filter(([name]) => keysOf(name).length > 0);
  const aliases = stored.flatMap(([name]) => keysOf(name).slice(1).map((key) => [key, keysOf(name)[0]]));
  await writeSafetensors(
    path,
    new Map(stored.map(([name, { shape, data }]) => [keysOf(name)[0], { dtype: "F32", shape, data }])),
    { aliases: JSON.stringify(Object.fromEntries(aliases)) },
  );
}

const inNetwork = (name: string) => /^(encoder|decoder)\./.test(name);
const networkKeys = (name: string) => inNetwork(name) ? torchKeys({ name }) : [];
const sparkKeys = (name: string) =>
  inNetwork(name) ? torchKeys({ name }).flatMap((key) => [`architecture.${key}`, key]) : [name];

Deno.test({
  name: "exported files hold the network bit for bit in PyTorch, all names of a tensor in one memory",
  ignore: python === null || !hasScript,
  fn: async () => {
    using folder = temporaryFolder();
    const runs = {
      s3d: await writePretrainedRun(`${folder.path}/s3d`),
      mae: await writePretrainedRun(`${folder.path}/mae`, { network: { kind: "mae" } }),
      segmentation: await writeSegmentationRun(`${folder.path}/segmentation`, { deepSupervision: true }),
      plain: await writeSegmentationRun(`${folder.path}/plain`, { network: { encoder: "plain" } }),
    };
    for (const [name, weights] of Object.entries(runs)) {
      for (const format of ["nnssl", "nnunet"] as const) {
        const out = `${folder.path}/${name}_${format}.pth`, twin = `${out}.safetensors`;
        await exportModel({ from: `${folder.path}/${name}`, format, out, card: null });
        await writeTwin(twin, weights, networkKeys);
        const printed = await run(compareScript, out, twin, "--key", "network_weights", "--check-aliases");
        assert.match(printed, /max abs difference 0; 0 mismatch/, `${name} as ${format}`);
        if (name !== "s3d" || format !== "nnssl") continue;
        await writeTwin(twin, weights, sparkKeys);
        const spark = await run(compareScript, out, twin, "--key", "spark_weights", "--check-aliases");
        assert.match(spark, /max abs difference 0; 0 mismatch/);
      }
    }
  },
});

Deno.test({
  name: "an exported S3D checkpoint has the keys that nnssl's own trainer writes",
  ignore: !hasScript,
  fn: async () => {
    using folder = temporaryFolder();
    const recorded = `${repositoryRoot}/../shared/golden/n_checkpoints/spark.pth`,
      out = `${folder.path}/a.pth`;
    await exportModel({ from: recorded, format: "nnssl", out, card: null });
    const keysOf = async (path: string, key: string) => {
      await using file = await openTorchFile(path);
      const state = (file.root as TorchDict).get(key) as ReadonlyMap<string, TorchTensor>;
      return [...state].map(([name, { shape }]) => `${name} [${shape}]`).sort();
    };
    for (const key of ["network_weights", "spark_weights"]) {
      assert.deepEqual(await keysOf(out, key), await keysOf(recorded, key), key);
    }
  },
});

/** A network, anisotropic, with 2 input channels and 3 outputs. */
const residual = isotropic({
  inputChannels: 2,
  outputChannels: 3,
  features: [4, 8, 12, 16],
  blocks: [1, 2, 2, 1],
  kernels: [[1, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]],
  strides: [[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 2]],
});
const plain: NetworkConfig = { ...residual, encoder: "plain", blocks: [2, 2, 2, 2], decoderConvs: [2, 2, 2] };

/** Entries of a checkpoint of nnU-Net beside its weights. */
function rootOf(network: NetworkConfig): JsonObject {
  const plans = blobPlans(network.inputChannels);
  const full = { ...plans.configurations["3d_fullres"], architecture: architecturePlan(network) };
  return {
    init_args: {
      plans: { ...plans, configurations: { "3d_fullres": { ...full, patch_size: [8, 16, 16] } } },
      configuration: "3d_fullres",
      fold: 0,
      dataset_json: { ...blobDataset, channel_names: { 0: "T1", 1: "T2" } },
    },
    trainer_name: "nnUNetTrainer",
    current_epoch: 3,
    inference_allowed_mirroring_axes: [0, 1, 2],
  };
}

/** Share of the largest value by which outputs may differ: that of the recorded networks, 1.35e-4 of 4.5. */
const SHARE = 3e-5;

for (const [name, network] of Object.entries({ residual, plain })) {
  Deno.test({
    name: `a ${name} network of PyTorch computes the same here, and the same there again once it is exported`,
    ignore: python === null,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      using folder = temporaryFolder();
      const at = (file: string) => `${folder.path}/${file}`;
      const shape = [2, network.inputChannels, 8, 32, 16];
      const image = noise(elementCount(shape), 5);
      await Deno.writeFile(at("image"), new Uint8Array(image.buffer));
      const spec = {
        architecture: network,
        checkpoint: at("theirs.pth"),
        root: rootOf(network),
        seed: 7,
        image: at("image"),
        output: at("output"),
        shape,
      };
      const outputOf = async (command: string, changes = {}) => {
        await Deno.writeTextFile(at("spec.json"), JSON.stringify({ ...spec, ...changes }));
        await run(networkScript, command, at("spec.json"));
        return new Float32Array((await Deno.readFile(at("output"))).buffer);
      };
      const theirs = await outputOf("write");

      await using model = await readModel(at("theirs.pth"));
      assert.deepEqual([model.kind, model.report.missing], ["segmentation", []]);
      const graph = new Graph();
      const x = graph.input("image", tensor(shape));
      const [logits] = resEncUNet(new Scope(graph), x, model.network).outputs;
      const feeds: Feeds = new Map([[x, image]]);
      for (const p of graph.parameters) feeds.set(p, await model.tensors.get(p.name)!.read());
      const tolerance = { atol: SHARE * largest(theirs), rtol: 1e-5 };
      assertAllClose(interpret(graph, exact(feeds), [logits]).get(logits)!, theirs, tolerance, "float64");
      if (hasAdapter) {
        const [ours] = await runOnGpu(await testGpu(), graph, feeds, [logits]);
        assertAllClose(ours, theirs, tolerance, "adapter");
      }

      await exportModel({ from: at("theirs.pth"), format: "nnunet", out: at("ours.pth"), card: null });
      assert.deepEqual(await outputOf("run", { checkpoint: at("ours.pth"), seed: 8 }), theirs);
    },
  });
}

/** What a process took: seconds of processor time, and the most memory it ever held, bytes. */
interface Usage {
  cpuSeconds: number;
  peakBytes: number;
}

/** Follows a process of Linux while it runs. @returns what stops following */
function follow(pid: number, usage: Usage): () => void {
  const ticksASecond = 100; // fixed for programs, whatever the kernel counts in
  const timer = setInterval(() => {
    try {
      const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /, "").split(" ");
      const peak = /VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${pid}/status`));
      usage.cpuSeconds = (Number(fields[11]) + Number(fields[12])) / ticksASecond;
      if (peak) usage.peakBytes = 1024 * Number(peak[1]);
    } catch {
      // it has ended; what was read last counts
    }
  }, 20);
  return () => clearInterval(timer);
}

/** Measured with two processors that a training run kept busy: see docs/interop.md. */
Deno.test({
  name: "a ResEnc-L checkpoint of 102 million values that PyTorch wrote is imported in 20 s and 1.5 GiB",
  ignore: python === null || Deno.build.os !== "linux",
  fn: async () => {
    using folder = temporaryFolder();
    const at = (file: string) => `${folder.path}/${file}`;
    const network = networkPreset("resenc-l", { inputChannels: 2, outputChannels: 3 });
    const spec = { architecture: network, checkpoint: at("large.pth"), root: rootOf(network), seed: 1 };
    await Deno.writeTextFile(at("spec.json"), JSON.stringify(spec));
    await run(networkScript, "write", at("spec.json"));
    const usage: Usage = { cpuSeconds: 0, peakBytes: 0 };
    let stop = () => {};
    const done = await spawnSpark3d(["import", at("large.pth"), "--out", at("large.safetensors"), "--json"], {
      onStart: ({ pid }) => stop = follow(pid, usage),
    });
    stop();
    assert.equal(done.code, 0, done.stderr);
    const { parameters } = JSON.parse(done.stdout);
    const gib = usage.peakBytes / 2 ** 30;
    console.log(
      `${parameters} parameters: ${done.seconds.toFixed(1)} s, ${
        usage.cpuSeconds.toFixed(1)
      } s of processor time, ` +
        `${gib.toFixed(2)} GiB at most`,
    );
    assert.ok(parameters > 100e6, `${parameters} parameters`);
    assert.ok(
      usage.cpuSeconds < 20 && done.seconds < 20,
      `${done.seconds} s, ${usage.cpuSeconds} s of processor time`,
    );
    assert.ok(gib < 1.5, `${gib} GiB`);
  },
});
