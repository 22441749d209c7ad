/** Attributes and inputs that instance norm and its gradients share. */
import type { TensorSpec } from "../../spec.ts";
import { input } from "../../wgsl/module.ts";
import { blockGridOf, requireTable } from "../blocks/table.ts";
import { require, requireFloat, requireSame, requireSingle, sameShape, volume } from "../check.ts";

/** Attributes of `instanceNorm`; inputs come in the order x, gamma, beta, residual, visible, each where its flag is set. */
export interface InstanceNormAttrs {
  readonly eps: number;
  readonly affine: boolean;
  readonly residual: boolean;
  /** Whether the last input says which voxels count: the voxel mask of a dense x, the block table (always) of x in blocks. */
  readonly masked: boolean;
  /** Slope of the LeakyReLU that follows; 1 for none. */
  readonly slope: number;
}

/** Position of each optional input; -1 where absent. */
export function normInputs(
  attrs: InstanceNormAttrs,
): { gamma: number; beta: number; residual: number; visible: number; count: number } {
  let next = 1;
  const take = (present: boolean) => present ? next++ : -1;
  return {
    gamma: take(attrs.affine),
    beta: take(attrs.affine),
    residual: take(attrs.residual),
    visible: take(attrs.masked),
    count: next,
  };
}

/** Requires the tensors of a norm to belong together. @throws {ShapeError} */
export function checkNorm(op: string, inputs: readonly TensorSpec[], attrs: InstanceNormAttrs): void {
  const at = normInputs(attrs);
  require(
    inputs.length === at.count,
    op,
    `found ${inputs.length} tensors, wanted ${at.count} for ${JSON.stringify(attrs)}`,
  );
  const x = volume(op, "x", inputs[0]);
  requireFloat(op, "x", inputs[0]);
  for (const i of [at.gamma, at.beta]) {
    if (i >= 0) {
      requireSingle(op, "gamma or beta", inputs[i]);
      require(
        sameShape(inputs[i].shape, [x.c]),
        op,
        `gamma or beta has shape [${inputs[i].shape}], wanted [${x.c}]`,
      );
    }
  }
  if (at.residual >= 0) requireSame(op, inputs[0], inputs[at.residual], "x and residual");
  requireVisible(op, inputs[0], at.visible >= 0 ? inputs[at.visible] : undefined);
}

/** Requires the input that tells visible voxels to fit x. @throws {ShapeError} */
function requireVisible(op: string, x: TensorSpec, visible: TensorSpec | undefined): void {
  const { n, size } = volume(op, "x", x);
  const blocks = blockGridOf(x);
  if (blocks) return requireTable(op, visible, n, blocks);
  if (visible) requireSingle(op, "mask", visible);
  const wanted = [n, 1, ...size];
  require(
    visible === undefined || sameShape(visible.shape, wanted),
    op,
    `mask has shape [${visible?.shape}], wanted [${wanted}]`,
  );
}

/** How kernels tell visible voxels of x: the mask that they bind, the table that channel kernels read, or neither. */
export function visibleOf(x: TensorSpec, at: number) {
  const blocks = x.layout.kind === "blocks";
  return {
    table: blocks ? at : undefined,
    mask: !blocks && at >= 0 ? [input(at, "mask")] : [],
    variant: blocks ? "blocks" : at >= 0 ? "masked" : "dense",
  };
}
