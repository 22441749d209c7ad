/** Sliding-window prediction: windows of 160^3 with 12 classes in a ring of planes of 192x192 voxels, and the labels of a slab. */
import { addWindow } from "../kernels/ops/window/add_window.ts";
import { labelVoxels } from "../kernels/ops/window/label_voxels.ts";
import { mirror } from "../kernels/ops/window/mirror.ts";
import { sampleLogits } from "../kernels/ops/window/sample_logits.ts";
import type { Dims3 } from "../kernels/spec.ts";
import type { BenchCase, CaseFamily, CaseInput } from "./case.ts";

/** A window, the planes it is added to, and the box of voxels that is decided at once. */
interface Sizes {
  readonly classes: number;
  readonly window: Dims3;
  readonly plane: readonly [height: number, width: number];
  readonly box: Dims3;
}

const SMALL: Sizes = { classes: 3, window: [4, 5, 6], plane: [7, 8], box: [2, 7, 8] };
const LARGE: Sizes = { classes: 12, window: [96, 96, 96], plane: [192, 192], box: [16, 192, 192] };

const ringOf = ({ classes, window, plane }: Sizes): CaseInput => ({
  shape: [window[0] + 1, classes, ...plane],
  gradient: false,
});

/** Every output line between two neighbours of the ring. */
function sampling({ window, plane, box }: Sizes): readonly CaseInput[] {
  const taps = box.flatMap((count, axis) => {
    const last = (axis === 0 ? window[0] + 1 : plane[axis - 1]) - 1;
    return Array.from({ length: count }, (_, i) => [Math.min(i, last), Math.min(i + 1, last)]).flat();
  });
  const lines = taps.length / 2;
  return [
    { shape: [lines, 2], data: Int32Array.from(taps) },
    { shape: [lines], data: new Float32Array(lines).fill(0.25) },
  ];
}

type Make = (sizes: Sizes) => Pick<BenchCase, "op" | "attrs" | "inputs">;

function family(name: string, shape: (sizes: Sizes) => readonly number[], make: Make): CaseFamily {
  const at = (sizes: Sizes): BenchCase => ({
    ...make(sizes),
    shape: `${sizes.classes}x${shape(sizes).join("x")}`,
  });
  return { name, small: [at(SMALL)], cases: [at(LARGE)] };
}

/** Families of the operations of prediction. */
export const windowFamilies: readonly CaseFamily[] = [
  family("mirror", ({ window }) => window, ({ classes, window }) => ({
    op: mirror,
    attrs: {},
    inputs: [
      { shape: [1, classes, ...window], gradient: false },
      { shape: [3], data: Int32Array.of(1, 0, 1) },
    ],
  })),
  family("addWindow", ({ window }) => window, (sizes) => {
    const { classes, window } = sizes;
    const lines = window[0] + window[1] + window[2];
    return {
      op: addWindow,
      attrs: {},
      inputs: [
        ringOf(sizes),
        { shape: [1, classes, ...window], gradient: false },
        { shape: [lines], contents: "positive" },
        { shape: [6], data: Int32Array.of(1, 2, 2, 1, 0, 0) },
      ],
    };
  }),
  family("labelVoxels", ({ box }) => box, (sizes) => ({
    op: labelVoxels,
    attrs: { box: sizes.box, linear: [true, true, true], decision: "largest", bytes: 1 },
    inputs: [
      ringOf(sizes),
      ...sampling(sizes),
      { shape: [sizes.classes], data: Int32Array.from({ length: sizes.classes }, (_, i) => i) },
      { shape: [1], data: Uint32Array.of(0) },
    ],
  })),
  family("sampleLogits", ({ box }) => box, (sizes) => ({
    op: sampleLogits,
    attrs: { box: sizes.box, linear: [true, true, true], activation: "softmax" },
    inputs: [ringOf(sizes), ...sampling(sizes)],
  })),
];
