/** Evaluates an ONNX model in float64 with plain loops, after the text of the operators' specification (opset 17). */
import type { DecodedModel, DecodedNode } from "./decode_model.ts";

/** A tensor, C order. */
export interface Evaluated {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => product(shape.slice(axis + 1)));
}

/** Calls `visit` with every multi-index of a shape. */
function forEachIndex(
  shape: readonly number[],
  visit: (index: readonly number[], flat: number) => void,
): void {
  const index = shape.map(() => 0);
  for (let flat = 0; flat < product(shape); flat++) {
    visit(index, flat);
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis] === shape[axis]; axis--) index[axis] = 0;
  }
}

/** Elementwise with multidirectional broadcasting. */
function broadcast(inputs: readonly Evaluated[], f: (...values: number[]) => number): Evaluated {
  const rank = Math.max(...inputs.map(({ shape }) => shape.length));
  const padded = inputs.map(({ shape }) => [...new Array(rank - shape.length).fill(1), ...shape]);
  const shape = Array.from({ length: rank }, (_, axis) => Math.max(...padded.map((s) => s[axis])));
  for (const s of padded) {
    if (s.some((n, axis) => n !== 1 && n !== shape[axis])) {
      throw new Error(`cannot broadcast ${padded.join(" | ")}`);
    }
  }
  const strides = padded.map((s) => stridesOf(s).map((stride, axis) => s[axis] === 1 ? 0 : stride));
  const data = new Float64Array(product(shape));
  forEachIndex(shape, (index, flat) => {
    data[flat] = f(
      ...inputs.map((x, i) => x.data[index.reduce((sum, n, axis) => sum + n * strides[i][axis], 0)]),
    );
  });
  return { shape, data };
}

function conv([x, w, b]: readonly Evaluated[], { attributes }: DecodedNode): Evaluated {
  const [strides, pads] = [attributes.strides, attributes.pads] as number[][];
  const [n, channels, ...size] = x.shape;
  const [o, , ...kernel] = w.shape;
  const out = size.map((s, a) => Math.floor((s + pads[a] + pads[a + 3] - kernel[a]) / strides[a]) + 1);
  const data = new Float64Array(n * o * product(out));
  const xs = stridesOf(x.shape), ws = stridesOf(w.shape);
  forEachIndex([n, o, ...out], ([s, k, ...q], flat) => {
    let sum = b?.data[k] ?? 0;
    for (let z = 0; z < kernel[0]; z++) {
      for (let y = 0; y < kernel[1]; y++) {
        for (let r = 0; r < kernel[2]; r++) {
          const p = [z, y, r].map((tap, a) => q[a] * strides[a] + tap - pads[a]);
          if (p.some((v, a) => v < 0 || v >= size[a])) continue;
          const from = s * xs[0] + p[0] * xs[2] + p[1] * xs[3] + p[2];
          const tap = k * ws[0] + z * ws[2] + y * ws[3] + r;
          for (let c = 0; c < channels; c++) sum += x.data[from + c * xs[1]] * w.data[tap + c * ws[1]];
        }
      }
    }
    data[flat] = sum;
  });
  return { shape: [n, o, ...out], data };
}

function convTranspose([x, w, b]: readonly Evaluated[], { attributes }: DecodedNode): Evaluated {
  const strides = attributes.strides as number[];
  const [n, channels, ...size] = x.shape;
  const [, o, ...kernel] = w.shape;
  const shape = [n, o, ...size.map((s, a) => strides[a] * (s - 1) + kernel[a])];
  const to = stridesOf(shape);
  const data = new Float64Array(product(shape)).map((_, i) => b.data[Math.floor(i / to[1]) % o]);
  const ws = stridesOf(w.shape);
  forEachIndex([n, channels, ...size], ([s, c, ...p], flat) => {
    forEachIndex([o, ...kernel], ([k, ...tap], at) => {
      const q = p.map((v, a) => v * strides[a] + tap[a]);
      data[s * to[0] + k * to[1] + q[0] * to[2] + q[1] * to[3] + q[2]] += x.data[flat] *
        w.data[c * ws[0] + at];
    });
  });
  return { shape, data };
}

function averagePool([x]: readonly Evaluated[], { attributes }: DecodedNode): Evaluated {
  const [kernel, strides] = [attributes.kernel_shape, attributes.strides] as number[][];
  const from = stridesOf(x.shape);
  const shape = [
    ...x.shape.slice(0, 2),
    ...x.shape.slice(2).map((s, a) => Math.floor((s - kernel[a]) / strides[a]) + 1),
  ];
  const data = new Float64Array(product(shape));
  forEachIndex(shape, (index, flat) => {
    let sum = 0;
    forEachIndex(kernel, (tap) => {
      sum += x.data[
        index[0] * from[0] + index[1] * from[1] +
        tap.reduce((at, t, a) => at + (index[a + 2] * strides[a] + t) * from[a + 2], 0)
      ];
    });
    data[flat] = sum / product(kernel);
  });
  return { shape, data };
}

function concat(inputs: readonly Evaluated[], { attributes }: DecodedNode): Evaluated {
  const axis = attributes.axis as number;
  const shape = inputs[0].shape.map((n, a) =>
    a === axis ? inputs.reduce((sum, x) => sum + x.shape[a], 0) : n
  );
  const data = new Float64Array(product(shape));
  const row = product(shape.slice(axis));
  let start = 0;
  for (const x of inputs) {
    const part = product(x.shape.slice(axis));
    for (let i = 0; i * part < x.data.length; i++) {
      data.set(x.data.subarray(i * part, (i + 1) * part), i * row + start);
    }
    start += part;
  }
  return { shape, data };
}

function resize([x, , scales]: readonly Evaluated[], { attributes }: DecodedNode): Evaluated {
  const how = [attributes.mode, attributes.coordinate_transformation_mode, attributes.nearest_mode].join();
  if (how !== "nearest,asymmetric,floor") throw new Error(`Resize: ${how}`);
  const shape = x.shape.map((n, axis) => Math.floor(n * scales.data[axis]));
  const from = stridesOf(x.shape);
  const data = new Float64Array(product(shape));
  forEachIndex(shape, (index, flat) => {
    data[flat] = x.data[index.reduce((at, n, a) => at + Math.floor(n / scales.data[a]) * from[a], 0)];
  });
  return { shape, data };
}

function reduceMean([x]: readonly Evaluated[], { attributes }: DecodedNode): Evaluated {
  const [axes, keepdims] = [attributes.axes as number[], attributes.keepdims];
  if (keepdims !== 1) throw new Error("ReduceMean: keepdims is not 1");
  const shape = x.shape.map((n, axis) => axes.includes(axis) ? 1 : n);
  const to = stridesOf(shape);
  const data = new Float64Array(product(shape));
  const terms = x.data.length / data.length;
  forEachIndex(x.shape, (index, flat) => {
    data[index.reduce((at, n, a) => at + (shape[a] === 1 ? 0 : n) * to[a], 0)] += x.data[flat] / terms;
  });
  return { shape, data };
}

const OPERATORS: Readonly<Record<string, (inputs: readonly Evaluated[], node: DecodedNode) => Evaluated>> = {
  Conv: conv,
  ConvTranspose: convTranspose,
  AveragePool: averagePool,
  Concat: concat,
  Resize: resize,
  ReduceMean: reduceMean,
  Reshape: ([x, shape]) => ({ shape: [...shape.data], data: x.data }),
  Cast: ([x], { attributes }) => {
    if (attributes.to !== 9) throw new Error(`Cast to ${attributes.to}`);
    return { shape: x.shape, data: x.data.map((v) => v === 0 ? 0 : 1) };
  },
  LeakyRelu: ([x], { attributes }) => ({
    shape: x.shape,
    data: x.data.map((v) => v < 0 ? v * (attributes.alpha as number) : v),
  }),
  Sqrt: ([x]) => ({ shape: x.shape, data: x.data.map(Math.sqrt) }),
  Add: (inputs) => broadcast(inputs, (a, b) => a + b),
  Sub: (inputs) => broadcast(inputs, (a, b) => a - b),
  Mul: (inputs) => broadcast(inputs, (a, b) => a * b),
  Div: (inputs) => broadcast(inputs, (a, b) => a / b),
  Max: (inputs) => broadcast(inputs, Math.max),
  Where: (inputs) => broadcast(inputs, (condition, a, b) => condition ? a : b),
};

/** Outputs of a model by name. @throws {Error} for operators that networks have no use for, or a value used before it is made */
export function evaluateModel(
  model: DecodedModel,
  inputs: Readonly<Record<string, Evaluated>>,
): Map<string, Evaluated> {
  const known = new Map<string, Evaluated>([...model.tensors, ...Object.entries(inputs)]);
  for (const node of model.nodes) {
    const operator = OPERATORS[node.operator];
    if (!operator) throw new Error(`no operator ${node.operator}`);
    const values = node.inputs.map((name) => {
      const value = name === "" ? { shape: [], data: new Float64Array() } : known.get(name);
      if (!value) throw new Error(`${node.operator} reads ${name}, which nothing makes`);
      return value;
    });
    if (known.has(node.outputs[0])) throw new Error(`${node.outputs[0]} is made twice`);
    known.set(node.outputs[0], operator(values, node));
  }
  return new Map(
    Object.keys(model.outputs).map((name) => {
      const value = known.get(name);
      if (!value) throw new Error(`nothing makes output ${name}`);
      return [name, value];
    }),
  );
}
