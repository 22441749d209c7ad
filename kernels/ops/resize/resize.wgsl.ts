// Resizing along one axis, f32. y[q, o] = sum_k weights[o, k] * x[q, clamp(first[o] + k)] for every line q along the axis
// Layout   x, y: [N, C, D, H, W], neighbours along the axis `inner` apart; first: [size]; weights: [size, taps]
// Work     1 thread = 1 output position of 4 lines, which share positions and weights. `columns` (D, H axis): a workgroup has one
//          position and 4 * 64 neighbouring lines; `rows` (W axis): threads are neighbouring positions of the same 4 rows
// Bindings 4 of 8                                                    Reference op.ts
import { type DeviceFacts, elementCount, type KernelSpec, type TensorSpec } from "../../spec.ts";
import { input, kernel, output, WORKGROUP } from "../../wgsl/module.ts";
import { shapeText } from "../elementwise.ts";

/** Lines that a thread computes. */
const LINES = 4;

/** A tensor around an axis: elements between neighbours along it, and its length. */
export function around(x: TensorSpec, axis: number): { inner: number; length: number } {
  return { inner: elementCount(x.shape.slice(axis + 3)), length: x.shape[axis + 2] };
}

/** The kernel of `resizeAxis`. */
export function resizeKernel(
  x: TensorSpec,
  first: TensorSpec,
  weights: TensorSpec,
  y: TensorSpec,
  axis: 0 | 1 | 2,
  device: DeviceFacts,
): KernelSpec {
  const { inner, length } = around(x, axis);
  const [size, taps] = weights.shape;
  const lines = elementCount(x.shape) / length;
  const rows = inner === 1;
  const each = Array.from({ length: LINES }, (_, l) => l);
  return kernel({
    label: `resizeAxis ${"DHW"[axis]} ${shapeText(x)} to ${size}`,
    device,
    bindings: [input(0, "x", x), input(1, "first", first), input(2, "weights", weights), output(0, "out", y)],
    params: { lines, inner, length, size, taps },
    groups: rows
      ? Math.ceil(Math.ceil(lines / LINES) * size / WORKGROUP)
      : Math.ceil(lines / (LINES * WORKGROUP)) * size,
    body: `
${
      rows
        ? `let tile = tid / p.size; let o = tid - tile * p.size; let q = tile * ${LINES}u;`
        : `let tile = group / p.size; let o = group - tile * p.size; let q = tile * ${
          LINES * WORKGROUP
        }u + lid;`
    }
if (q >= p.lines) { return; }
let start = first[o]; let row = o * p.taps; let last = i32(p.length) - 1;
${
      each.map((l) => {
        const line = rows ? `q + ${l}u` : `q + ${l * WORKGROUP}u`;
        return `let q${l} = min(${line}, p.lines - 1u); let outer${l} = q${l} / p.inner; let at${l} = q${l} - outer${l} * p.inner;
let base${l} = outer${l} * p.length * p.inner + at${l}; var sum${l} = 0.0;`;
      }).join("\n")
    }
for (var k = 0u; k < p.taps; k++) {
  let away = u32(clamp(start + i32(k), 0, last)) * p.inner;
  let weight = weights[row + k];
  ${each.map((l) => `sum${l} += weight * x[base${l} + away];`).join(" ")}
}
${
      each.map((l) => {
        const store = `out[outer${l} * p.size * p.inner + o * p.inner + at${l}] = sum${l};`;
        return l === 0 ? store : `if (q + ${rows ? l : l * WORKGROUP}u < p.lines) { ${store} }`;
      }).join("\n")
    }`,
  });
}
