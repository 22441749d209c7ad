/**
 * Runs a model in onnxruntime's CPU provider. A program of its own, to be run with --no-lock: the package unpacks to 288 MB,
 * and an import of it in deno.lock would make everybody fetch it.
 *
 * Argument: the folder of `request.json`, which names the model and, call by call, shapes and files of its inputs. Writes
 * the outputs beside it as files of 32-bit floats and prints their names and shapes.
 * Without an argument it only loads the package.
 */
interface Call {
  readonly inputs: Readonly<Record<string, { readonly shape: readonly number[]; readonly file: string }>>;
}

/** What onnxruntime-node has, as far as it is used here. */
interface Runtime {
  readonly InferenceSession: {
    create(path: string, options: Record<string, unknown>): Promise<{
      readonly inputNames: readonly string[];
      readonly outputNames: readonly string[];
      run(feeds: Record<string, unknown>): Promise<
        Record<string, { readonly dims: readonly number[]; readonly data: Float32Array }>
      >;
    }>;
  };
  readonly Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => unknown;
}

const [folder] = Deno.args;
const module = "npm:onnxruntime-node@1.30.0";
const { default: runtime } = await import(module) as { default: Runtime };
if (folder === undefined) Deno.exit(typeof runtime.InferenceSession.create === "function" ? 0 : 1);
const request = JSON.parse(await Deno.readTextFile(`${folder}/request.json`)) as {
  readonly model: string;
  readonly calls: readonly Call[];
};
const session = await runtime.InferenceSession.create(`${folder}/${request.model}`, {
  executionProviders: ["cpu"],
  intraOpNumThreads: 2,
});
const results = [];
for (const [index, { inputs }] of request.calls.entries()) {
  const feeds: Record<string, unknown> = {};
  for (const [name, { shape, file }] of Object.entries(inputs)) {
    const bytes = await Deno.readFile(`${folder}/${file}`);
    feeds[name] = new runtime.Tensor("float32", new Float32Array(bytes.buffer), shape);
  }
  const outputs = await session.run(feeds);
  const found: Record<string, { shape: readonly number[]; file: string }> = {};
  for (const [name, { dims, data }] of Object.entries(outputs)) {
    const file = `output_${index}_${name}.bin`;
    await Deno.writeFile(`${folder}/${file}`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    found[name] = { shape: dims, file };
  }
  results.push(found);
}
console.log(JSON.stringify({ inputs: session.inputNames, outputs: session.outputNames, results }));
