import assert from "node:assert/strict";
import { SampleReader } from "../../data/load_sample.ts";
import { openStore } from "../../data/store.ts";
import { TrivialBaselines } from "../../train/baselines.ts";
import { expandMask, sampleRatio, validationBlockMask } from "../../train/mask.ts";
import { PretrainSession } from "../../train/session.ts";
import { Validation } from "../../train/validation.ts";
import { decodePng } from "../support/decode_png.ts";
import { gpuTest } from "../support/gpu.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { assertAllClose } from "../support/tolerance.ts";
import { makeNoiseStore, tinyConfig, wavePatch } from "./tiny_run.ts";

gpuTest(
  "Validation judges on fixed patches and masks: values, baselines and micro-batches agree",
  () =>
    withFolder(async (folder) => {
      const store = await makeNoiseStore(folder);
      const config = tinyConfig({ validation: { patches: 5 }, batch: { size: 4, micro: 2 }, seed: 7 });
      using validation = new Validation(store, config);
      using again = new Validation(store, config);
      assert.deepEqual(again.baselines, validation.baselines);
      using session = await PretrainSession.create(config, "auto");
      session.initialise();
      const result = await validation.measure(session);
      assert.deepEqual(await validation.measure(session), result, "measuring twice gives the same");
      assert.deepEqual(await again.measure(session), result);

      // the same figures from the reconstructions, voxel by voxel; 5 patches are rounded up to 3 micro-batches
      const { patch, seed, mask: { block, ratio } } = config;
      using reader = new SampleReader({ store, subset: "val", seed, cropSize: patch, finalSize: patch });
      const baselines = new TrivialBaselines();
      const errors: number[] = [];
      const ratios = new Set<number>();
      for (let start = 0; start < 6; start += 2) {
        const [a, b] = [start, start + 1].map((index) => {
          const drawn = sampleRatio(seed, 2 ** 31 + index, ratio);
          ratios.add(drawn);
          const mask = validationBlockMask({ patch, block, ratio: drawn, seed, index });
          const image = reader.read(0, index).patch;
          const visible = expandMask(mask.kept, mask.grid, patch);
          baselines.add(image, visible, patch);
          return { image, visible, mask };
        });
        const join = (x: Float32Array, y: Float32Array) => Float32Array.of(...x, ...y);
        const images = join(a.image, b.image);
        const { reconstruction } = await session.evaluate(images, [a.mask, b.mask], true);
        const visible = [...a.visible, ...b.visible];
        for (let i = 0; i < images.length; i++) {
          if (visible[i] === 0) errors.push((reconstruction![i] - images[i]) ** 2);
        }
      }
      const { constant, nearest } = baselines.losses();
      assert.deepEqual([result.valLossConstant, result.valLossNearest], [constant, nearest]);
      const mean = errors.reduce((sum, e) => sum + e, 0) / errors.length;
      assertAllClose([result.valLoss], [mean], { atol: 0, rtol: 1e-4 }, "valLoss");
      assert.ok(constant > 0.1 && nearest > constant, "in noise, copying a neighbour is worse than the mean");
      assert.equal(ratios.size, 6, "each patch has a ratio of its own");

      // training between two validations changes neither patches nor masks nor baselines
      const batch = [0, 1, 2, 3].map((i) => wavePatch(config, 0, i));
      session.trainStep(0, 0.05, batch);
      const later = await validation.measure(session);
      assert.notEqual(later.valLoss, result.valLoss);
      assert.deepEqual([later.valLossConstant, later.valLossNearest], [constant, nearest]);
      using other = new Validation(store, { ...config, seed: 8 });
      assert.notEqual(other.baselines.valLossConstant, constant);
    }),
);

gpuTest(
  "Validation.picture() shows the most central patch: original, masked and reconstructed planes",
  () =>
    withFolder(async (folder) => {
      const store = await makeNoiseStore(folder);
      const config = tinyConfig({ validation: { patches: 6 }, patch: [8, 8, 8] });
      using validation = new Validation(store, config);
      using opened = openStore(store);
      const cropSize = config.patch;
      using reader = new SampleReader({ store, subset: "val", seed: 0, cropSize, finalSize: cropSize });
      const distances = Array.from({ length: 6 }, (_, index) => {
        const { caseId, start } = reader.read(0, index);
        const { shape } = opened.volumes.find((v) => v.id === caseId)!;
        return Math.hypot(...start.map((s, axis) => (s + 4 - shape[axis] / 2) / shape[axis]));
      });
      const nearest = distances.indexOf(Math.min(...distances));
      assert.equal(validation.ranked[0], nearest);
      assert.deepEqual(validation.ranked.toSorted(), [0, 1, 2, 3, 4, 5]);
      using session = await PretrainSession.create(config, "auto");
      session.initialise();
      const reconstructions = new Map<number, Float32Array>();
      await validation.measure(session, [nearest, 2], (index, values) => reconstructions.set(index, values));
      assert.deepEqual([...reconstructions.keys()].sort(), [...new Set([nearest, 2])].sort());
      const reconstruction = reconstructions.get(nearest)!;
      const png = validation.picture(reconstruction, "step 12, a caption");
      const { width, height, data } = decodePng(png);
      assert.ok(width >= 3 * 8 && height >= 3 * 8);
      assert.ok(new Set(data).size > 20, "the picture is nearly empty");
      assert.deepEqual(validation.picture(reconstruction, "step 12, a caption"), png);
      assert.notDeepEqual(validation.picture(reconstruction, "another caption"), png);
    }),
);

Deno.test("Validation refuses a store that is not there", () => {
  assert.throws(() => new Validation("no/such/store", tinyConfig()), { name: "DataError" });
});
