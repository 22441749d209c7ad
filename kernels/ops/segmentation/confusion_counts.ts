/** Counts of right and wrong voxels, for Dice during training. */
import { type KernelSpec, type LowerRequest, type OpDef, tensor, type TensorSpec } from "../../spec.ts";
import { type Binding, input, load, output, scratch } from "../../wgsl/module.ts";
import { channelMap, channelSums, elementOf, finishPerChannel, partialSpec } from "../channelwise.ts";
import { count, require, requireFloat, requireSingle, sameShape, streamCost, volume } from "../check.ts";
import { shapeText } from "../elementwise.ts";

/** Attributes of {@link confusionCounts}. */
export interface ConfusionCountsAttrs {
  /** `labels`: the class with the largest logit, against a label map; `regions`: logits above 0, against region targets. */
  readonly kind: "labels" | "regions";
  /** For labels: voxels with this label count nowhere, nor do those with a negative one. */
  readonly ignoreLabel: number | null;
}

function sizesOf([logits, truth]: readonly TensorSpec[], { kind }: ConfusionCountsAttrs) {
  const sizes = volume("confusionCounts", "logits", logits);
  requireFloat("confusionCounts", "logits", logits);
  const name = kind === "labels" ? "labels" : "targets";
  const wanted = [sizes.n, kind === "labels" ? 1 : sizes.c, ...sizes.size];
  require(
    sameShape(truth.shape, wanted),
    "confusionCounts",
    `${name} have shape [${truth.shape}], wanted [${wanted}]`,
    truth.shape,
    wanted,
  );
  requireSingle("confusionCounts", name, truth);
  return sizes;
}

/** Class with the largest logit at every voxel, the first of equal ones, into scratch tensor 1. */
function argmaxKernel({ inputs: [logits, labels], device }: LowerRequest<ConfusionCountsAttrs>): KernelSpec {
  const x = input(0, "x", elementOf(logits));
  return channelMap({
    label: `confusionCounts argmax ${shapeText(logits)}`,
    device,
    spec: labels,
    lanes: true,
    bindings: [x, scratch(1, "predicted", "read_write")],
    params: { classes: logits.shape[1] },
    each: `let at = n * p.classes * p.voxels + v;
    var best = V();
    var top = ${load(x, "at")};
    for (var o = 1u; o < p.classes; o++) {
      let value = ${load(x, "at + o * p.voxels")};
      let above = value > top;
      top = select(top, value, above);
      best = select(best, V(f32(o)), above);
    }
    predicted[m] = best;`,
  });
}

/**
 * True positives, false positives and false negatives of every channel over the whole batch.
 *
 * Inputs: logits `[N, C, D, H, W]`, f32 or f16; labels `[N, 1, D, H, W]` or region targets `[N, C, D, H, W]`, which are negative
 * where an element does not count. Output `[C, 3]` = TP, FP, FN, f32, exact up to 2^24 voxels. No gradient.
 * @throws {ShapeError} when the shapes do not fit
 * Source: pseudo Dice of nnU-Net's validation, `2 TP / (2 TP + FP + FN)` of sums over all batches.
 */
export const confusionCounts: OpDef<ConfusionCountsAttrs> = {
  name: "confusionCounts",
  infer: (inputs, attrs) => [tensor([sizesOf(inputs, attrs).c, 3])],
  cost: (inputs, outputs) => streamCost(inputs, outputs, 4 * count(inputs)),
  lower(request) {
    const { inputs: [spec, truth], attrs, device } = request;
    const labels = attrs.kind === "labels";
    const label = `confusionCounts ${shapeText(spec)} ${attrs.kind}`;
    const logits: Binding = labels ? scratch(1, "predicted", "read") : input(0, "x", elementOf(spec));
    return {
      variant: attrs.kind,
      scratch: [partialSpec(spec), ...(labels ? [truth] : [])],
      kernels: [
        ...(labels ? [argmaxKernel(request)] : []),
        channelSums({
          label,
          device,
          spec,
          partial: 0,
          lanes: true,
          bindings: [logits, input(1, "truth")],
          params: labels ? { ignored: { f32: attrs.ignoreLabel ?? -1 } } : {},
          before: "var right = V(); var wrong = V(); var missed = V();",
          each: `${
            labels
              ? `let counts = (truth[m] >= V()) & (truth[m] != V(p.ignored));
    let found = predicted[m] == V(f32(c)); let wanted = truth[m] == V(f32(c));`
              : `let counts = truth[i] >= V(); let found = ${
                load(logits, "i")
              } > V(); let wanted = truth[i] > V(0.5);`
          }
    right += select(V(), V(1.0), counts & found & wanted);
    wrong += select(V(), V(1.0), counts & found & !wanted);
    missed += select(V(), V(1.0), counts & !found & wanted);`,
          after: "sum = vec4f(total(right), total(wrong), total(missed), 0.0);",
        }),
        finishPerChannel({
          label,
          device,
          spec,
          partial: 0,
          bindings: [output(0, "counts")],
          store: "counts[3u * c] = sum.x; counts[3u * c + 1u] = sum.y; counts[3u * c + 2u] = sum.z;",
        }),
      ],
    };
  },
  reference({ inputs: [x, truth], inputSpecs, attrs }) {
    const { n, c, voxels } = sizesOf(inputSpecs, attrs);
    const counts = new Float64Array(c * 3);
    for (let s = 0; s < n; s++) {
      for (let v = 0; v < voxels; v++) {
        const logits = Array.from({ length: c }, (_, k) => x[(s * c + k) * voxels + v]);
        const best = logits.indexOf(Math.max(...logits));
        const label = truth[s * voxels + v];
        logits.forEach((logit, k) => {
          const target = truth[(s * c + k) * voxels + v];
          const ignored = attrs.kind === "labels" ? label < 0 || label === attrs.ignoreLabel : target < 0;
          if (ignored) return;
          const found = attrs.kind === "labels" ? best === k : logit > 0;
          const wanted = attrs.kind === "labels" ? label === k : target > 0.5;
          if (found && wanted) counts[3 * k]++;
          else if (found) counts[3 * k + 1]++;
          else if (wanted) counts[3 * k + 2]++;
        });
      }
    }
    return [counts];
  },
};
