/** Mean structural similarity, or its contrast term, from smoothed moments; the map itself is never stored. */
import { elementCount, type OpDef, tensor, type TensorSpec } from "../../spec.ts";
import { input, kernel, output } from "../../wgsl/module.ts";
import { require, sameShape, streamCost } from "../check.ts";
import { shapeText } from "../elementwise.ts";
import {
  chunkGrid,
  chunkPartials,
  chunkSumKernel,
  overChunk,
  type Rows,
  rowSumKernel,
} from "./chunks.wgsl.ts";
import { MOMENTS } from "./moments.ts";

/** `ssim`: luminance times contrast-structure; `contrast`: contrast-structure only. */
export interface SimilarityAttrs {
  readonly kind: "ssim" | "contrast";
}

/** `(K * data range)^2` with K = 0.01 and 0.03, data range 1. */
const C1 = 0.01 ** 2;
const C2 = 0.03 ** 2;

function rowsOf(op: string, m: TensorSpec): Rows {
  require(
    m.shape.length === 5 && m.shape[0] % MOMENTS === 0 && elementCount(m.shape) > 0,
    op,
    `moments have shape [${m.shape}], wanted [5N, C, D, H, W]`,
    m.shape,
  );
  const [n5, c, ...size] = m.shape;
  return { rows: n5 / MOMENTS * c, length: elementCount(size) };
}

/** WGSL of the terms at `at`, moments `total` apart: `light` and `contrast`. */
function terms(m: string): string {
  return `
    let a = ${m}[at];
    let b = ${m}[at + p.total];
    let bottom1 = a * a + b * b + ${C1};
    let light = (2.0 * a * b + ${C1}) / bottom1;
    let bottom2 = (${m}[at + 2u * p.total] - a * a) + (${m}[at + 3u * p.total] - b * b) + ${C2};
    let contrast = (2.0 * (${m}[at + 4u * p.total] - a * b) + ${C2}) / bottom2;`;
}

/**
 * `mean(light * contrast)` or `mean(contrast)` over the voxels of each sample and channel, where
 * `light = (2ab + C1) / (a^2 + b^2 + C1)`, `contrast = (2 s_ab + C2) / (s_aa + s_bb + C2)`, a and b local means, s local
 * (co)variances as E[xy] - E[x]E[y].
 *
 * Input `[m]` `[5N, C, D, H, W]`, smoothed moments; output `[N, C]`.
 * @throws {ShapeError} when the first axis is no multiple of 5
 * Source: Wang et al. 2004 (doi:10.1109/TIP.2003.819861), eq. 13; multi-scale form Wang et al. 2003.
 */
export const similarityMean: OpDef<SimilarityAttrs> = {
  name: "similarityMean",
  infer([m]) {
    rowsOf("similarityMean", m);
    return [tensor([m.shape[0] / MOMENTS, m.shape[1]])];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 4 * elementCount(inputs[0].shape)),
  lower({ inputs: [m], attrs, device }) {
    const rows = rowsOf("similarityMean", m);
    return {
      variant: "chunks",
      scratch: [chunkPartials(rows)],
      kernels: [
        chunkSumKernel({
          label: `${attrs.kind} sums ${shapeText(m)}`,
          device,
          rows,
          bindings: [input(0, "m")],
          params: { total: rows.rows * rows.length, whole: attrs.kind === "ssim" ? 1 : 0 },
          add: `${terms("m")}
    sum.x += contrast * select(1.0, light, p.whole == 1u);`,
          partials: 0,
        }),
        rowSumKernel({
          label: `${attrs.kind} mean ${shapeText(m)}`,
          device,
          rows,
          partials: 0,
          target: output(0, "mean"),
          store: `mean[group] = whole.x / f32(p.length);`,
        }),
      ],
    };
  },
  gradient: ({ inputs: [m], gradients: [dmean], attrs, apply }) => [
    apply(similarityMeanGradient, [m, dmean!], attrs)[0],
  ],
  reference({ inputs: [m], inputSpecs: [spec], attrs }) {
    const { rows, length } = rowsOf("similarityMean", spec);
    const mean = new Float64Array(rows);
    for (let row = 0; row < rows; row++) {
      for (let i = row * length; i < (row + 1) * length; i++) {
        const t = termsAt(m, i, rows * length);
        mean[row] += t.contrast * (attrs.kind === "ssim" ? t.light : 1) / length;
      }
    }
    return [mean];
  },
};

/**
 * Gradient of {@link similarityMean}.
 *
 * Inputs `[m, dmean]`; output like `m`. May overwrite `m`.
 */
export const similarityMeanGradient: OpDef<SimilarityAttrs> = {
  name: "similarityMeanGradient",
  mayOverwrite: [[0, 0]],
  infer([m, dmean]) {
    rowsOf("similarityMeanGradient", m);
    const wanted = [m.shape[0] / MOMENTS, m.shape[1]];
    require(
      sameShape(dmean.shape, wanted),
      "similarityMeanGradient",
      `dmean has shape [${dmean.shape}], wanted [${wanted}]`,
    );
    return [m];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 8 * elementCount(inputs[0].shape)),
  lower({ inputs: [m], attrs, device, inPlace }) {
    const rows = rowsOf("similarityMeanGradient", m);
    const { params, groups } = chunkGrid(rows);
    const shared = inPlace.some(([i]) => i === 0);
    return {
      variant: shared ? "chunks in place" : "chunks",
      scratch: [],
      kernels: [kernel({
        label: `${attrs.kind}.dm ${shapeText(m)}`,
        device,
        bindings: [...(shared ? [] : [input(0, "m")]), input(1, "dmean"), output(0, "dm")],
        params: { ...params, total: rows.rows * rows.length, whole: attrs.kind === "ssim" ? 1 : 0 },
        groups,
        body: overChunk(
          `${terms(shared ? "dm" : "m")}
    let byContrast = g * select(1.0, light, p.whole == 1u) / bottom2;
    let byLight = select(0.0, 2.0 * g * contrast, p.whole == 1u) / bottom1;
    dm[at] = 2.0 * byContrast * (a * contrast - b) + byLight * (b - a * light);
    dm[at + p.total] = 2.0 * byContrast * (b * contrast - a) + byLight * (a - b * light);
    dm[at + 2u * p.total] = -byContrast * contrast;
    dm[at + 3u * p.total] = -byContrast * contrast;
    dm[at + 4u * p.total] = 2.0 * byContrast;`,
          `let g = dmean[row] / f32(p.length);`,
        ),
      })],
    };
  },
  reference({ inputs: [m, dmean], inputSpecs: [spec], attrs }) {
    const { rows, length } = rowsOf("similarityMeanGradient", spec);
    const total = rows * length;
    const dm = new Float64Array(m.length);
    for (let row = 0; row < rows; row++) {
      for (let i = row * length; i < (row + 1) * length; i++) {
        const { a, b, bottom1, bottom2, light, contrast } = termsAt(m, i, total);
        const dContrast = dmean[row] / length * (attrs.kind === "ssim" ? light : 1);
        const dLight = attrs.kind === "ssim" ? dmean[row] / length * contrast : 0;
        dm[i] = dContrast * (-2 * b + 2 * a * contrast) / bottom2 +
          dLight * (2 * b - 2 * a * light) / bottom1;
        dm[i + total] = dContrast * (-2 * a + 2 * b * contrast) / bottom2 +
          dLight * (2 * a - 2 * b * light) / bottom1;
        dm[i + 2 * total] = dm[i + 3 * total] = -dContrast * contrast / bottom2;
        dm[i + 4 * total] = 2 * dContrast / bottom2;
      }
    }
    return [dm];
  },
};

function termsAt(m: Float64Array, i: number, total: number) {
  const [a, b, aa, bb, ab] = [0, 1, 2, 3, 4].map((k) => m[i + k * total]);
  const bottom1 = a * a + b * b + C1;
  const bottom2 = aa - a * a + (bb - b * b) + C2;
  return {
    a,
    b,
    bottom1,
    bottom2,
    light: (2 * a * b + C1) / bottom1,
    contrast: (2 * (ab - a * b) + C2) / bottom2,
  };
}
