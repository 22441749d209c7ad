import assert from "node:assert/strict";
import { LimitError } from "../../../kernels/errors.ts";
import type { Dims3 } from "../../../kernels/spec.ts";
import { networkPreset } from "../../../model/config.ts";
import { GPU_MEMORY_BYTES } from "../../../train/predict/stream_volume.ts";
import { planWindow } from "../../../train/predict/window_network.ts";
import { plainDevice } from "../../support/device_facts.ts";
import { planRings, type RingPlan } from "../../../train/predict/ring_plan.ts";
import { samplingAxes } from "../../../train/predict/sampling_axis.ts";
import { windowGrid } from "../../../train/predict/windows.ts";

const GIB = 2 ** 30;

interface Case {
  readonly shape: Dims3;
  readonly target: Dims3;
  readonly patch: Dims3;
  readonly channels: number;
  readonly maxBinding?: number;
  readonly memoryBytes?: number;
}

function plan({ shape, target, patch, channels, maxBinding = 2 * GIB, memoryBytes = 3 * GIB }: Case) {
  const windows = windowGrid(shape, patch, 0.5);
  const sampling = samplingAxes(windows, { shape: target, spacing: [1, 1, 1], newSpacing: [1, 1, 1] });
  const device = { maxBinding, maxBuffer: 4 * GIB };
  const rings = planRings({
    windows,
    sampling,
    channels,
    labelBytes: 1,
    samples: false,
    device,
    memoryBytes,
  });
  return { rings, windows, sampling };
}

/** Every output row has a band, and the band's ring has the rows that it is made of. */
function checkCover(rings: RingPlan, first: Int32Array, second: Int32Array): void {
  const rows = new Uint8Array(first.length);
  for (const { row, ringRow } of rings.bands) {
    for (let i = row; i < row + rings.rows; i++) {
      rows[i] = 1;
      assert.ok(ringRow <= first[i] && second[i] < ringRow + rings.ringRows);
    }
  }
  assert.ok(rows.every((covered) => covered === 1));
  assert.deepEqual(rings.passes.flat(), rings.bands);
}

Deno.test("planRings() keeps 512 x 512 x 800 voxels within 3 GiB beside the network, whatever the number of classes", () => {
  const shapes: Dims3[] = [[800, 512, 512], [512, 512, 800], [512, 800, 512]];
  for (const shape of shapes) {
    for (const patch of [[128, 128, 128], [128, 160, 112], [160, 160, 160], [64, 192, 160]] as Dims3[]) {
      for (const channels of [2, 5, 12, 40]) {
        for (const maxBinding of [2 ** 27, 2 * GIB, 4 * GIB - 4]) {
          const { rings, sampling } = plan({ shape, target: shape, patch, channels, maxBinding });
          assert.ok(rings.deviceBytes <= 3 * GIB);
          const ringBytes = 4 * rings.planes * channels * rings.ringRows * rings.ringColumns;
          assert.ok(ringBytes <= maxBinding);
          checkCover(rings, sampling[1].first, sampling[1].second);
        }
      }
    }
  }
});

Deno.test("planRings() needs one pass for 12 classes of 512 x 512 x 800, and its memory does not grow with the length", () => {
  const common = { patch: [128, 128, 128] as Dims3, channels: 12 };
  const long = plan({ ...common, shape: [800, 512, 512], target: [800, 512, 512] }).rings;
  const short = plan({ ...common, shape: [200, 512, 512], target: [200, 512, 512] }).rings;
  assert.equal(long.passes.length, 1);
  assert.equal(long.deviceBytes, short.deviceBytes);
  // 129 planes of 12 classes, 512 x 512 each, in f32
  assert.ok(long.deviceBytes >= 129 * 12 * 512 * 512 * 4 && long.deviceBytes < 1.7 * GIB);
});

Deno.test("planRings() cuts bands by rows of the grid that labels are wanted on", () => {
  for (const target of [[40, 90, 33], [40, 21, 33], [40, 1, 33]] as Dims3[]) {
    const { rings, sampling } = plan({
      shape: [30, 45, 33],
      target,
      patch: [16, 16, 16],
      channels: 3,
      maxBinding: 17 * 3 * 9 * 33 * 4,
    });
    assert.ok(target[1] === 1 || rings.bands.length > 3);
    checkCover(rings, sampling[1].first, sampling[1].second);
  }
});

Deno.test("planRings() takes several passes where memory is short, and refuses when single rows do not fit", () => {
  const small = {
    shape: [64, 64, 64] as Dims3,
    target: [64, 64, 64] as Dims3,
    patch: [32, 32, 32] as Dims3,
    channels: 4,
  };
  const whole = plan(small).rings;
  assert.equal(whole.passes.length, 1);
  const tight = plan({ ...small, memoryBytes: whole.deviceBytes / 3 }).rings;
  assert.ok(tight.passes.length >= 3);
  assert.ok(tight.deviceBytes <= whole.deviceBytes / 3);
  assert.throws(() => plan({ ...small, memoryBytes: 1000 }), LimitError);
});

Deno.test("a ResEnc-L window and the rings of 512 x 512 x 800 voxels fit 4 GiB together", () => {
  const device = { ...plainDevice, maxBinding: 2 * GIB, maxBuffer: 2 * GIB, f16: true };
  const patch: Dims3 = [96, 160, 160], shape: Dims3 = [800, 512, 512];
  const figures = (["f32", "f16"] as const).map((precision) => {
    const network = networkPreset("resenc-l", { outputChannels: 12 });
    const window = planWindow({ network, patch, precision }, device).plan.report.peakBytes;
    const { rings } = plan({
      shape,
      target: shape,
      patch,
      channels: 12,
      memoryBytes: GPU_MEMORY_BYTES - window,
    });
    assert.equal(rings.passes.length, 1);
    assert.ok(window + rings.deviceBytes <= GPU_MEMORY_BYTES);
    return window;
  });
  assert.ok(figures[1] < figures[0]);
});
