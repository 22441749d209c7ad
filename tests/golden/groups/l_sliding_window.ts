/** Gaussian weights, window positions and predictions of whole volumes against recorded values. */
import { Scope } from "../../../kernels/graph/graph.ts";
import { tensor } from "../../../kernels/spec.ts";
import { resEncUNet } from "../../../model/unet.ts";
import { gaussianMap } from "../../../train/predict/gaussian.ts";
import { largestOf } from "../../../train/predict/logits_ring.ts";
import { predictVolume } from "../../../train/predict/predict_volume.ts";
import { WindowNetwork } from "../../../train/predict/window_network.ts";
import { windowGrid, windowStarts } from "../../../train/predict/windows.ts";
import { testGpu } from "../../support/gpu.ts";
import { dims3, eachCase, FedGraph, recorded, requireAttribute } from "../gpu.ts";
import { loadState, networkConfig, type RecordedState } from "../network.ts";
import { type Checker, type GoldenCase, type GoldenGroup, openGroup } from "../support.ts";

interface StepTableRow {
  readonly image: readonly number[];
  readonly patch: readonly number[];
  readonly step: number;
  readonly steps: readonly (readonly number[])[];
}

/**
 * Predictions are compared with `logits_f64`: the other recording of a case is the reference's own result, whose sums in 16 bits lose
 * what a corner of a window weighs.
 */
export async function run(group: GoldenGroup, check: Checker): Promise<void> {
  for (const { image, patch, step, steps } of (group.manifest.step_table ?? []) as readonly StepTableRow[]) {
    const found = image.map((size, axis) => windowStarts(size, patch[axis], step));
    check.equal(group.name, `windows of ${image} by ${patch}, step ${step}`, found, steps);
  }
  await eachCase(group, check, async (c) => {
    if (c.op === "gaussian_map") compareGaussian(c, check);
    else if (c.op === "sliding_window") await comparePrediction(group, c, check);
    else throw new Error(`unknown op ${c.op}`);
  });
}

function compareGaussian(c: GoldenCase, check: Checker): void {
  requireAttribute(c, "sigma_scale", 1 / 8);
  const patch = dims3(c.attributes.patch, "patch");
  for (const [name, ref] of Object.entries(c.outputs)) {
    const [, scale, half] = /^map_scale([\d.]+)(_half)?$/.exec(name) ?? [];
    if (scale === undefined) {
      check.miss(c.id, name, "nothing computes this output");
      continue;
    }
    const map = gaussianMap(patch, Number(scale));
    check.close(c.id, name, half ? asHalf(map) : map, ref);
  }
}

/** A map as the reference stores it: in 16 bits, zeros replaced by the smallest weight that is none. */
function asHalf(map: Float32Array): Float32Array {
  const half = map.map(Math.f16round);
  const smallest = half.reduce((least, weight) => weight > 0 ? Math.min(least, weight) : least, Infinity);
  return half.map((weight) => weight > 0 ? weight : smallest);
}

/** A network recorded by a case of another group: where it lies, by folder name or by the name in its manifest. */
function recordedNetwork(group: GoldenGroup, c: GoldenCase) {
  const wanted = c.attributes.network as { group: string; case: string; deep_supervision?: boolean };
  const parent = group.dir.replace(/\/+$/, "").split("/").slice(0, -1).join("/");
  for (const { name, isFile } of Deno.readDirSync(parent)) {
    if (isFile) continue;
    const other = openGroup(`${parent}/${name}`);
    if (name !== wanted.group && other.manifest.group !== wanted.group) continue;
    const recording = other.manifest.cases.find(({ id }) => id === wanted.case);
    if (!recording) continue;
    const architecture = recording.attributes.architecture as Record<string, unknown>;
    const deep = wanted.deep_supervision ?? architecture.deep_supervision;
    return {
      group: other,
      config: networkConfig({ ...architecture, deep_supervision: deep }),
      state: recording.state as RecordedState,
    };
  }
  throw new Error(`found no case ${wanted.case} of group ${wanted.group}`);
}

async function comparePrediction(group: GoldenGroup, c: GoldenCase, check: Checker): Promise<void> {
  const { attributes: { step, mirror_axes, gaussian, steps } } = c;
  if (gaussian !== true) throw new Error("windows without a Gaussian are not part of the method");
  const source = recordedNetwork(group, c);
  const network = source.config;
  const fed = new FedGraph();
  const { shape: [, ...size], data: image } = recorded(group, c.inputs.x);
  const patch = dims3(c.attributes.patch, "patch"), shape = dims3(size, "volume");
  resEncUNet(
    new Scope(fed.graph),
    fed.graph.input("x", tensor([1, network.inputChannels, ...patch])),
    network,
  );
  loadState(source.group, source.state, fed);
  const weights = new Map(
    fed.graph.parameters.map((p) => [p.name, fed.feeds.get(p) as Float32Array<ArrayBuffer>]),
  );
  const windows = windowGrid(shape, patch, Number(step));
  if (c.attributes.padded) {
    check.equal(c.id, "padded", windows.map((axis) => axis.padded), c.attributes.padded);
  }
  check.equal(c.id, "steps", windows.map((axis) => axis.starts), steps);
  using predictor = await WindowNetwork.create(await testGpu(), { network, patch, folds: [weights] });
  const { samples } = await predictVolume(predictor, {
    image,
    shape,
    step: Number(step),
    mirrorAxes: (mirror_axes ?? []) as number[],
    labels: largestOf(network.outputChannels, "none"),
  });
  check.close(c.id, "logits_f64", samples!, c.outputs.logits_f64);
}
