import assert from "node:assert/strict";
import { isotropic } from "../../model/config.ts";
import { spawnSpark3d, temporaryFolder } from "../support/spawn.ts";
import {
  noiseWeights,
  stateDict,
  type Weights,
  writeTorchCheckpoint,
} from "../train/interop/torch_checkpoint.ts";

Deno.test("inspect says what a checkpoint holds and accounts for every key", async () => {
  using folder = temporaryFolder();
  const cwd = folder.path;
  const run = (...args: string[]) => spawnSpark3d(args, { cwd, measured: true });
  const network = isotropic({ features: [3, 4, 5], blocks: [1, 2, 1] });
  const weights: Weights = noiseWeights("network", network);
  const dict = stateDict(weights, { untrainedCopies: true });
  await writeTorchCheckpoint(`${cwd}/spark.pth`, dict, {
    trainer_name: "SparkMAETrainer",
    current_epoch: 1000,
    logging: { train_losses: [0.5, 0.25] },
  });
  const text = await run("inspect", "spark.pth");
  assert.equal(text.code, 0, text.stderr);
  assert.match(text.stdout, /^spark\.pth: file of PyTorch, from nnssl$/m);
  assert.match(text.stdout, /^ {2}stage 1, 4 features, 2 blocks, kernel 3x3x3, stride 2x2x2$/m);
  assert.match(text.stdout, /^training: SparkMAETrainer, 1000 epochs, last training loss 0\.2500$/m);
  assert.match(text.stdout, /^assumed: a stride of 1 in the first stage$/m);
  const encoder = [...weights.keys()].filter((name) => name.startsWith("encoder.")).length;
  assert.match(
    text.stdout,
    new RegExp(`^ {2}${2 * encoder} left out: untrained copy: .*\\(network_weights/`, "m"),
  );

  const json = await run("inspect", "spark.pth", "--json", "--tensors");
  const { ok, list, report, parameters, keys } = JSON.parse(json.stdout);
  assert.deepEqual([ok, list.length, keys.used], [true, weights.size, weights.size]);
  assert.deepEqual(list[0], {
    name: "encoder.stem.convs.0.conv.weight",
    shape: [3, 1, 3, 3, 3],
    dtype: "F32",
  });
  const total = [...weights.values()].reduce((sum, { data }) => sum + data.length, 0);
  assert.deepEqual([parameters.total, parameters.extra], [total, 0]);
  assert.equal(report.used.length + report.aliases.length + report.skipped.length, dict.size);

  await writeTorchCheckpoint(`${cwd}/odd.pth`, dict, { trainer_name: "\x1b[2JTrainer\nnote: all is well" });
  const odd = await run("inspect", "odd.pth");
  assert.match(odd.stdout, /^training: \\u\{1b\}\[2JTrainer\\u\{a\}note: all is well$/m);

  const none = await run("inspect", "nothing");
  assert.equal(none.code, 1);
  assert.match(none.stderr, /^error: Cannot read a checkpoint from nothing: found no such file or folder, /);
});
