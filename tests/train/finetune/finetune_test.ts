import assert from "node:assert/strict";
import type { TrainEvent } from "../../../train/events.ts";
import { finetune, FinetuneError } from "../../../train/finetune/finetune.ts";
import { finetunePaths } from "../../../train/finetune/run_folder.ts";
import { gpuTest } from "../../support/gpu.ts";
import { withFolder } from "../../support/nifti_bytes.ts";
import { blobDataset, prepareBlobs, runTinyFinetune, tinyFinetuneConfig } from "./tiny_finetune.ts";

gpuTest(
  "finetune() on a thread of its own gives the same bytes as the calling thread, and stops when asked",
  () =>
    withFolder(async (folder) => {
      const data = await prepareBlobs(folder, blobDataset);
      const config = { ...tinyFinetuneConfig(), loader: { workers: 1, prefetch: 2 } };
      const events: TrainEvent[] = [];
      const out = `${folder}/there`;
      const summary = await finetune({ ...data, config, out, onEvent: (event) => void events.push(event) });
      assert.deepEqual([summary.state, summary.steps], ["finished", 6]);
      assert.deepEqual([events[0].type, events.at(-1)?.type], ["started", "finished"]);
      await runTinyFinetune(data, `${folder}/here`, tinyFinetuneConfig());
      const weights = (run: string) => Deno.readFileSync(finetunePaths(run).final);
      const [there, here] = [weights(out), weights(`${folder}/here`)].map((bytes) => bytes.subarray(-1000));
      assert.deepEqual(there, here, "the last tensors, after the configuration in the header");

      const controller = new AbortController();
      const stopped = await finetune({
        ...data,
        config: { ...config, metricsEvery: 1, epochs: 50 },
        out: `${folder}/stopped`,
        signal: controller.signal,
        onEvent: (event) => event.type === "metrics" && controller.abort(new Error("Stopped by SIGINT")),
      });
      assert.equal(stopped.state, "stopped");
    }),
);

gpuTest(
  "finetune() rejects with name and message of what is wrong, before the first step",
  () =>
    withFolder(async (folder) => {
      const data = await prepareBlobs(folder, blobDataset);
      const config = tinyFinetuneConfig();
      const none = { ...data, cases: { train: data.cases.train, val: [] } };
      const wrong: [Parameters<typeof finetune>[0], string, RegExp][] = [
        [{ ...none, config, out: `${folder}/a` }, "DataError", /no cases to validate/],
        [{ ...data, store: `${folder}/none`, config, out: `${folder}/b` }, "DataError", /labelled\.json/],
        [{ ...data, config, out: `${folder}/c`, from: `${folder}/none` }, "DataError", /none/],
        [
          { ...data, config: { ...config, patch: [4096, 4096, 4096] }, out: `${folder}/d` },
          "LimitError",
          /: use patch \d+ or less, or another adapter$/,
        ],
      ];
      for (const [request, name, message] of wrong) {
        await assert.rejects(finetune(request), (error) => {
          assert.ok(error instanceof FinetuneError);
          assert.equal(error.name, name, error.message);
          assert.match(error.message, message);
          return true;
        });
      }
    }),
);
