/** Calls of a model in onnxruntime's CPU provider, in a process of its own. */
import { repositoryRoot, spawn } from "../../support/spawn.ts";
import type { OnnxInputs } from "./onnx_case.ts";

/** An output of a call. */
export interface SessionOutput {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Runs `run_onnx.ts`; without a lock file, so that nobody else fetches the package. */
async function runProgram(args: readonly string[]) {
  const program = `${repositoryRoot}/tests/model/onnx/run_onnx.ts`;
  return await spawn(Deno.execPath(), [
    "run",
    "--quiet",
    "--allow-all",
    "--no-lock",
    "--no-check",
    program,
    ...args,
  ]);
}

/** Whether onnxruntime-node loads; says why tests are skipped when it does not. */
export async function hasOnnxRuntime(): Promise<boolean> {
  const { code, stderr } = await runProgram([]);
  if (code !== 0) console.log(`Comparisons with onnxruntime are skipped: ${stderr.trim().split("\n")[0]}`);
  return code === 0;
}

/**
 * Runs a model file of a folder once for each set of inputs.
 * @returns outputs by name, call by call
 * @throws {Error} with what onnxruntime says when it refuses the model
 */
export async function runSession(
  folder: string,
  model: string,
  calls: readonly OnnxInputs[],
): Promise<Map<string, SessionOutput>[]> {
  const requests = [];
  for (const [index, { tensors }] of calls.entries()) {
    const inputs: Record<string, { shape: readonly number[]; file: string }> = {};
    for (const [name, { shape, data }] of Object.entries(tensors)) {
      const file = `input_${index}_${name}.bin`;
      await Deno.writeFile(
        `${folder}/${file}`,
        new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      );
      inputs[name] = { shape, file };
    }
    requests.push({ inputs });
  }
  await Deno.writeTextFile(`${folder}/request.json`, JSON.stringify({ model, calls: requests }));
  const { code, stdout, stderr } = await runProgram([folder]);
  if (code !== 0) throw new Error(`onnxruntime: ${stderr}`);
  const { results } = JSON.parse(stdout) as {
    results: Record<string, { shape: number[]; file: string }>[];
  };
  return await Promise.all(results.map(async (outputs) => {
    const found = new Map<string, SessionOutput>();
    for (const [name, { shape, file }] of Object.entries(outputs)) {
      const bytes = await Deno.readFile(`${folder}/${file}`);
      found.set(name, { shape, data: new Float32Array(bytes.buffer) });
    }
    return found;
  }));
}
