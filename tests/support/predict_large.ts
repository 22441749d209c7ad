/**
 * Segments large scans and prints what the process took at most: `predict_large.ts FOLDER D,H,W SPACING CLASSES PATCH [OPTIONS]`. Voxels of
 * the files are 1 mm wide, those of the network SPACING; OPTIONS is JSON for `predictCases`, with the number of `scans`.
 */
import { headerBytes, storedGeometry } from "../../data/formats/nifti/write_nifti.ts";
import { diagonalAffine, type Dims3, voxelCount } from "../../data/volume.ts";
import { finetuneNetwork } from "../../train/finetune/config.ts";
import type { FinetunedModel } from "../../train/finetune/checkpoint.ts";
import { predictCases } from "../../train/predict/predict_cases.ts";
import { blobDataset, blobPlans, labelsOf, tinyFinetuneConfig } from "../train/finetune/tiny_finetune.ts";
import { tinyWeights } from "./tiny_predictor.ts";

/** Peak resident memory of this process so far, bytes. */
function peakBytes(): number {
  return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status"))![1]);
}

/** Writes a NIfTI file of 16-bit voxels plane by plane: a ball in a grey field, nowhere zero. */
async function writeLargeScan(path: string, shape: Dims3): Promise<void> {
  const [d, h, w] = shape, affine = diagonalAffine([1, 1, 1]);
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  const length = { length: voxelCount(shape) };
  const bytes = headerBytes({ shape, data: length }, storedGeometry({ affine }, 1), "int16", {});
  const write = async (part: Uint8Array) => {
    for (let at = 0; at < part.length;) at += await file.write(part.subarray(at));
  };
  await write(bytes);
  const plane = new Int16Array(h * w);
  for (let z = 0; z < d; z++) {
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        const away = Math.hypot(z / d - 0.5, y / h - 0.5, x / w - 0.5);
        plane[y * w + x] = (away < 0.4 ? 900 : 100) + ((z * 31 + y * 17 + x * 7) % 61);
      }
    }
    await write(new Uint8Array(plane.buffer));
  }
}

const [folder, size, spacing, classes, edge, json = "{}"] = Deno.args;
const { scans = 1, ...options } = JSON.parse(json);
const shape = size.split(",").map(Number) as unknown as Dims3;
const patch: Dims3 = [Number(edge), Number(edge), Number(edge)], mm = Number(spacing);
await writeLargeScan(`${folder}/large.nii`, shape);
const cases = Array.from({ length: scans }, (_, i) => ({ id: `large${i}`, images: [`${folder}/large.nii`] }));
const config = tinyFinetuneConfig({
  patch,
  network: { outputChannels: Number(classes), features: [2, 2] },
});
const network = finetuneNetwork(config), plans = blobPlans(1);
const labels = Object.fromEntries(
  Array.from({ length: Number(classes) }, (_, i) => [i ? `c${i}` : "background", i]),
);
const dataset = { ...blobDataset, labels };
const model: FinetunedModel = {
  path: "large",
  config,
  network,
  plans,
  configuration: { ...plans.configurations["3d_fullres"], spacing: [mm, mm, mm] },
  labels: labelsOf(dataset),
  dataset,
  weights: tinyWeights(network, 1),
};
const before = peakBytes(), started = performance.now();
let read = 0;
const { cases: [written] } = await predictCases({
  models: [model],
  cases,
  out: `${folder}/out`,
  step: 1,
  ...options,
  onProgress: ({ kind }) => {
    if (kind === "read") read = peakBytes();
  },
});
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ before, read, peak: peakBytes(), seconds, windows: written.windows }));
