// Reads the NRRD or MetaImage file that is named after the module, and writes its voxels to stdout as float32, volume after volume.
import { EXIT_NO_MODULE, EXIT_NOT_READ } from "./run_converter.ts";

/** What is used of ITK's image. */
interface ItkImage {
  readonly imageType: { readonly components: number };
  readonly data: ArrayLike<number> | ArrayLike<bigint>;
}

const [module, path] = Deno.args;
const { readImageNode }: { readImageNode(path: string): Promise<ItkImage> } = await import(module).catch(
  (error) => leave(EXIT_NO_MODULE, error),
);
const { data, imageType } = await readImageNode(path).catch((error) =>
  // an exception of the WebAssembly module is the number of its address
  leave(EXIT_NOT_READ, typeof error === "number" || /^\d+$/.test(error.message) ? "no reason given" : error)
);
const values = volumeByVolume(data, imageType.components);
const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at, at + (1 << 20)));
Deno.exit(0);

/** ITK takes the list of volumes of a NRRD file for the components of a voxel, and lays these side by side. */
function volumeByVolume(data: ItkImage["data"], components: number): Float32Array {
  if (components === 1 && data instanceof Float32Array) return data;
  const values = new Float32Array(data.length), voxels = data.length / components;
  for (let volume = 0; volume < components; volume++) {
    for (let i = 0; i < voxels; i++) values[volume * voxels + i] = Number(data[i * components + volume]);
  }
  return values;
}

function leave(code: number, reason: unknown): never {
  console.error(String(reason instanceof Error ? reason.message : reason).replace(/\s+/g, " ").slice(0, 300));
  Deno.exit(code);
}
