/** Convolutions of ResEnc-L on a 160^3 patch, one sample: every distinct kind at every resolution. */
import { conv3d, type Conv3dAttrs } from "../kernels/ops/conv3d/op.ts";
import { convTranspose3d } from "../kernels/ops/conv_transpose3d/op.ts";
import type { Dims3 } from "../kernels/spec.ts";
import { networkPreset } from "../model/config.ts";
import type { BenchCase, CaseFamily } from "./case.ts";

/** Patch of the published recipe, cubic. */
export const PATCH = 160;

/** Channels and edge of each stage, finest first. */
export const STAGES: readonly { readonly channels: number; readonly edge: number }[] = networkPreset(
  "resenc-l",
)
  .features.map((channels, i) => ({ channels, edge: PATCH / 2 ** i }));

/** Stages from coarse to fine: cheap before expensive. */
const coarseFirst = [...STAGES].reverse();

function cube(edge: number): Dims3 {
  return [edge, edge, edge];
}

/** A convolution of `from` channels (two inputs: each) to `to` channels on a cube. */
function conv(
  from: number,
  to: number,
  edge: number,
  kernel: number,
  stride: number,
  inputs: 1 | 2 = 1,
): BenchCase {
  const attrs: Conv3dAttrs = { kernel: cube(kernel), stride: cube(stride), bias: true, inputs };
  const x = { shape: [1, from, ...cube(edge)] };
  return {
    op: conv3d,
    attrs,
    shape: `${inputs === 2 ? "2x" : ""}${from}->${to} k${kernel} s${stride} ${edge}^3`,
    inputs: [
      ...new Array(inputs).fill(x),
      { shape: [to, from * inputs, ...cube(kernel)] },
      { shape: [to] },
    ],
  };
}

function up(from: number, to: number, edge: number): BenchCase {
  return {
    op: convTranspose3d,
    attrs: { stride: cube(2), bias: true },
    shape: `${from}->${to} k2 s2 ${edge}^3`,
    inputs: [{ shape: [1, from, ...cube(edge)] }, { shape: [from, to, ...cube(2)] }, { shape: [to] }],
  };
}

/** Neighbouring stages, coarse ones first. */
const steps = coarseFirst.slice(0, -1).map((coarse, i) => ({ coarse, fine: coarseFirst[i + 1] }));

/** All families of convolutions. */
export const convFamilies: readonly CaseFamily[] = [
  {
    name: "conv3d 3x3x3 of the demo's size", // also what docs/performance.md compares with other libraries
    small: [conv(3, 6, 5, 3, 1)],
    cases: [conv(32, 32, 48, 3, 1)],
  },
  {
    name: "conv3d 3x3x3",
    small: [conv(5, 7, 6, 3, 1)],
    cases: coarseFirst.map(({ channels, edge }) => conv(channels, channels, edge, 3, 1)),
  },
  {
    name: "conv3d 3x3x3 stride 2",
    small: [conv(3, 5, 7, 3, 2)],
    cases: steps.map(({ coarse, fine }) => conv(fine.channels, coarse.channels, fine.edge, 3, 2)),
  },
  {
    name: "conv3d 3x3x3 of two inputs",
    small: [conv(3, 4, 5, 3, 1, 2)],
    cases: coarseFirst.slice(1).map(({ channels, edge }) => conv(channels, channels, edge, 3, 1, 2)),
  },
  {
    name: "conv3d 1x1x1",
    small: [conv(5, 6, 5, 1, 1)],
    cases: steps.map(({ coarse, fine }) => conv(fine.channels, coarse.channels, coarse.edge, 1, 1)),
  },
  {
    name: "conv3d 3x3x3 stem",
    small: [conv(1, 8, 6, 3, 1)],
    cases: [conv(1, STAGES[0].channels, PATCH / 2, 3, 1), conv(1, STAGES[0].channels, PATCH, 3, 1)],
  },
  {
    name: "convTranspose3d 2x2x2",
    small: [up(5, 3, 4)],
    cases: steps.map(({ coarse, fine }) => up(coarse.channels, fine.channels, coarse.edge)),
  },
];
