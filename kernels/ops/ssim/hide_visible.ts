/** Sets the visible voxels to 0, so that a similarity compares what was hidden. */
import type { OpDef } from "../../spec.ts";
import { input, kernel, output } from "../../wgsl/module.ts";
import type { NoAttrs } from "../add/op.ts";
import { count, require, sameShape, streamCost, volume } from "../check.ts";
import { shapeText } from "../elementwise.ts";
import { chunkGrid, overChunk } from "./chunks.wgsl.ts";

/**
 * `y = m > 0.5 ? 0 : x`.
 *
 * Inputs x `[N, C, D, H, W]` and m `[N, 1, D, H, W]`, 1 = visible; output like x. May overwrite x. m receives no gradient.
 * @throws {ShapeError} when the shapes do not fit
 */
export const hideVisible: OpDef<NoAttrs> = {
  name: "hideVisible",
  mayOverwrite: [[0, 0]],
  infer([x, m]) {
    const wanted = [x.shape[0], 1, ...x.shape.slice(2)];
    volume("hideVisible", "x", x);
    require(
      sameShape(m.shape, wanted),
      "hideVisible",
      `mask has shape [${m.shape}], wanted [${wanted}]`,
      m.shape,
    );
    return [x];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, count(outputs)),
  lower({ inputs: [x], inPlace, device }) {
    const { n, c, voxels } = volume("hideVisible", "x", x);
    const shared = inPlace.length > 0;
    const { params, groups } = chunkGrid({ rows: n * c, length: voxels });
    return {
      variant: shared ? "chunks in place" : "chunks",
      scratch: [],
      kernels: [kernel({
        label: `hideVisible ${shapeText(x)}${shared ? " in place" : ""}`,
        device,
        bindings: [...(shared ? [] : [input(0, "x")]), input(1, "mask"), output(0, "y")],
        params: { ...params, channels: c },
        groups,
        body: overChunk(
          `y[at] = select(${shared ? "y" : "x"}[at], 0.0, mask[maskStart + i] > 0.5);`,
          "let maskStart = row / p.channels * p.length;",
        ),
      })],
    };
  },
  gradient: ({ inputs: [, m], gradients: [dy], apply }) => [apply(hideVisible, [dy!, m], {})[0], null],
  reference({ inputs: [x, m], inputSpecs: [spec] }) {
    const { c, voxels } = volume("hideVisible", "x", spec);
    return [x.map((v, i) => m[Math.floor(i / (c * voxels)) * voxels + i % voxels] > 0.5 ? 0 : v)];
  },
};
