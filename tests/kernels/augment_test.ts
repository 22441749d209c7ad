import assert from "node:assert/strict";
import { Graph } from "../../kernels/graph/graph.ts";
import { affineResample, type AffineResampleAttrs } from "../../kernels/ops/augment/op.ts";
import { splineCoefficients } from "../../kernels/ops/augment/reference.ts";
import { type Dims3, elementCount, tensor } from "../../kernels/spec.ts";
import { rotationMatrix } from "../../train/augmentation.ts";
import { gpuTest } from "../support/gpu.ts";
import { checkOp, inputSpec, noise, type OpCase, runOnGpu } from "../support/ops.ts";
import { assertAllClose } from "../support/tolerance.ts";

interface Pose {
  readonly degrees?: Dims3;
  readonly factor?: number;
  readonly mirror?: Dims3;
  readonly copy?: boolean;
}

/** A row of the transform: `factor * R^T`, flags. */
function row({ degrees = [0, 0, 0], factor = 1, mirror = [0, 0, 0], copy = false }: Pose): number[] {
  const [ax, ay, az] = degrees.map((angle) => angle * Math.PI / 180);
  const r = rotationMatrix(ax, ay, az);
  const matrix = [0, 1, 2].flatMap((i) => [0, 1, 2].map((k) => factor * r[k][i]));
  return [...matrix, ...mirror, copy ? 0 : 1, 0, 0, 0];
}

function resample(
  c: number,
  crop: Dims3,
  size: Dims3,
  order: 1 | 3,
  poses: readonly Pose[],
): OpCase<AffineResampleAttrs> {
  const transform = Float32Array.from(poses.flatMap(row));
  return {
    op: affineResample,
    attrs: { size, order },
    inputs: [{ shape: [poses.length, c, ...crop] }, { shape: [poses.length, 16], data: transform }],
    tolerance: { atol: 2e-5, rtol: 1e-5 },
  };
}

const TURNED: Pose = { degrees: [20, -25, 15], factor: 1.25, mirror: [0, 1, 0] };
const cases: [string, OpCase<AffineResampleAttrs>][] = [];
for (const order of [3, 1] as const) {
  const kind = order === 3 ? "cubic" : "linear";
  cases.push(
    [`${kind}, odd sizes, three channels`, resample(3, [7, 9, 8], [5, 7, 6], order, [TURNED])],
    [
      `${kind}, batch of a turned and a copied sample`,
      resample(1, [8, 7, 9], [5, 4, 6], order, [
        TURNED,
        { copy: true, mirror: [1, 0, 1] },
      ]),
    ],
    [
      `${kind}, enlarged content`,
      resample(1, [9, 9, 9], [9, 9, 9], order, [{ factor: 0.71, degrees: [5, 0, -9] }]),
    ],
    [`${kind}, coordinates on voxels`, resample(1, [6, 5, 7], [4, 5, 3], order, [{ mirror: [1, 1, 1] }])],
    [`${kind}, axes of two and one voxels`, resample(1, [2, 1, 6], [2, 1, 4], order, [{ factor: 0.6 }])],
    [`${kind}, one voxel`, resample(1, [1, 1, 1], [1, 1, 1], order, [{ factor: 1.3 }])],
  );
}
cases.push([
  "cubic, lines longer than the filter's start sum",
  resample(1, [4, 3, 61], [2, 3, 40], 3, [{ degrees: [0, 3, 2], factor: 1.1 }]),
]);
for (const [name, c] of cases) {
  gpuTest(`affineResample() matches the reference: ${name}`, (gpu) => checkOp(gpu, c));
}

/** Runs the reference on one case. */
function reference(c: OpCase<AffineResampleAttrs>, data: Float64Array): Float64Array {
  const inputSpecs = c.inputs.map(inputSpec);
  return affineResample.reference({
    inputs: [data, Float64Array.from(c.inputs[1].data!)],
    inputSpecs,
    outputSpecs: affineResample.infer(inputSpecs, c.attrs),
    attrs: c.attrs,
  })[0];
}

// scipy.ndimage.map_coordinates 1.10.1, mode "constant", cval 0, of the volume and pose below; 8 voxels lie outside.
const SCIPY = {
  3: [
    [
      2.08085621,
      3.3018439,
      0,
      0.440102268,
      0.799813647,
      0,
      -0.875811936,
      -0.901877839,
      -1.83267434,
      -1.04096073,
    ],
    [
      -1.00444596,
      -1.80883922,
      0.0333251272,
      0.647391387,
      0,
      2.9130212,
      3.55460183,
      0,
      1.88923698,
      1.57410436,
    ],
    [0.523341306, 0.906236005, -0.125562424, -1.80524477, 0.878702452, -0.604248002, -2.09408748, 1.55565534],
    [0.496023861, -0.123244447, 1.77581042, 1.94443395, 2.4622947, 1.05178782, 0.715465636, 0.302894068],
    [0.448365254, -0.601527684, -1.52477877, 0.652915238, -0.904949034, -1.81371949, 0, 0.0110540097],
    [
      -0.110258283,
      0,
      1.01668718,
      2.77692989,
      -0.348810606,
      0.635703101,
      1.75961925,
      -0.243394815,
      0.0619777181,
    ],
    [0.540938882, 0, 0.43333314, 0.367404721, 0, 1.60722275, 1.56021351],
  ],
  1: [
    [
      2.04613244,
      3.2071551,
      0,
      0.553566012,
      0.853037361,
      0,
      -0.646350427,
      -0.824279055,
      -1.86697316,
      -0.704352995,
    ],
    [
      -0.848713911,
      -1.77222487,
      0.127120063,
      0.392503332,
      0,
      2.71482453,
      3.26429757,
      0,
      1.63746239,
      1.45847793,
    ],
    [0.56628316, 0.697073553, -0.137110375, -1.57344818, 0.581415032, -0.447042305, -1.82192865, 1.17726157],
    [0.423033611, -0.313069164, 1.69867418, 1.92502751, 2.42370621, 1.01007634, 0.674313914, 0.523472153],
    [
      0.453178176,
      -0.532133709,
      -1.25379539,
      0.543379267,
      -0.710856945,
      -1.47996011,
      0,
      0.169628952,
      -0.164356093,
    ],
    [
      0,
      1.10668362,
      2.5530373,
      -0.0198700729,
      0.543347695,
      1.528199,
      0.0102209841,
      0.0809495003,
      0.357300611,
      0,
    ],
    [0.332116454, 0.244050121, 0, 1.31733656, 1.53996299],
  ],
} as const;

for (const order of [3, 1] as const) {
  Deno.test(`affineResample() order ${order} equals SciPy's map_coordinates, outside included`, () => {
    const crop = [6, 7, 5] as const;
    const volume = Float64Array.from({ length: 6 * 7 * 5 }, (_, i) => {
      const [z, y, x] = [Math.floor(i / 35), Math.floor(i / 5) % 7, i % 5];
      return Math.fround(Math.sin(1.3 * z) + Math.cos(0.7 * y) * x + 0.1 * z * y);
    });
    const c = resample(1, crop, [4, 5, 3], order, [{ degrees: [20, -25, 15], factor: 1.25 }]);
    const found = reference(c, volume);
    const wanted = SCIPY[order].flat();
    assertAllClose(found, wanted, { atol: 5e-7, rtol: 0 });
    assert.equal(found.filter((v) => v === 0).length, 8);
  });
}

gpuTest("affineResample() copies the centre crop bit for bit, mirrored where asked", async (gpu) => {
  const [crop, size] = [[6, 7, 9], [3, 4, 4]] as const;
  const graph = new Graph();
  const x = graph.input("x", tensor([1, 1, ...crop]));
  const transform = graph.input("transform", tensor([1, 16]));
  const [y] = graph.apply(affineResample, [x, transform], { size, order: 3 });
  const data = noise(elementCount(crop), 5);
  const rows = Float32Array.from(row({ copy: true, mirror: [0, 1, 0], degrees: [10, 20, 30] }));
  const [found] = await runOnGpu(gpu, graph, new Map([[x, data], [transform, rows]]), [y], { poison: true });
  let i = 0;
  for (let z = 0; z < 3; z++) {
    for (let r = 0; r < 4; r++) {
      for (let k = 0; k < 4; k++) {
        assert.equal(found[i++], data[((z + 1) * 7 + (3 - r) + 1) * 9 + k + 2], `voxel ${z} ${r} ${k}`);
      }
    }
  }
});

Deno.test("splineCoefficients() interpolate: a weighted sum of three neighbours gives the sample back", () => {
  const x = Float64Array.from(noise(9, 2));
  const c = splineCoefficients(x, [1, 1, 9]);
  const at = (i: number) => c[i < 0 ? -i : i > 8 ? 16 - i : i];
  assertAllClose(x.map((_, i) => (at(i - 1) + 4 * at(i) + at(i + 1)) / 6), x, { atol: 1e-14, rtol: 0 });
});

Deno.test("affineResample() refuses a patch larger than the crop and a wrong transform", () => {
  const x = tensor([2, 1, 8, 8, 8]);
  const apply = (size: Dims3, rows: number) =>
    affineResample.infer([x, tensor([rows, 16])], { size, order: 3 });
  assert.throws(() => apply([8, 9, 8], 2), /patch 8x9x8 is larger than the crop 8x8x8: read a larger crop/);
  assert.throws(() => apply([8, 8, 8], 1), /transform has shape \[1,16\], wanted \[2, 16\]/);
});
