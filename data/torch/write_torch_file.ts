import { temporaryName } from "../atomic.ts";
import { toDataError } from "../errors.ts";
import { SafetensorsError, tensorBytes } from "../safetensors.ts";
import { picklePlan } from "./pickle_plan.ts";
import { TorchError, type TorchWritable } from "./types.ts";
import { ZipWriter } from "./zip_writer.ts";

const CHUNK_BYTES = 64 * 1024 * 1024;

/**
 * Writes a file as torch.save does, which `torch.load(path, weights_only=True)` opens: dictionaries, lists, numbers, text and
 * tensors, and no class of anyone's own. Equal content gives equal bytes. The bytes go to a temporary name in the same folder, are
 * flushed to disk and renamed; of tensors given as functions only one is in memory at a time.
 *
 * @example
 * ```ts ignore
 * const weight = { kind: "tensor", dtype: "F32", shape: [3], data: new Float32Array([1, 2, 3]) } as const;
 * const state = torchOrderedDict(new Map([["conv.weight", weight], ["all_modules.0.weight", weight]])); // one storage
 * await writeTorchFile("model.pth", new Map<string, TorchWritable>([["network_weights", state], ["current_epoch", 1000]]));
 * ```
 * @throws {TorchError} when a tensor's data does not match its shape and dtype, or torch has no such type; the temporary file is removed
 * @throws {DataError} when the folder is not writable or the disk is full
 */
export async function writeTorchFile(path: string, root: TorchWritable): Promise<void> {
  const { pickle, storages } = picklePlan(path, root);
  const temporary = temporaryName(path);
  const file = await writing(path, Deno.open(temporary, { write: true, createNew: true }));
  try {
    const archive = new ZipWriter(async (bytes) => {
      for (let done = 0; done < bytes.length;) {
        done += await writing(path, file.write(bytes.subarray(done, done + CHUNK_BYTES)));
      }
    });
    await archive.add("archive/data.pkl", pickle);
    await archive.add("archive/byteorder", new TextEncoder().encode("little"));
    for (const [key, { name, tensor }] of storages.entries()) {
      const values = typeof tensor.data === "function" ? await tensor.data() : tensor.data;
      await archive.add(`archive/data/${key}`, checkedBytes(() => tensorBytes(name, tensor, values, path)));
    }
    await archive.add("archive/version", new TextEncoder().encode("3\n"));
    await archive.finish();
    await writing(path, file.sync());
    await writing(path, Deno.rename(temporary, path));
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  } finally {
    file.close();
  }
}

function checkedBytes(bytes: () => Uint8Array): Uint8Array {
  try {
    return bytes();
  } catch (error) {
    if (error instanceof SafetensorsError) {
      throw new TorchError(error.message, error.source, { cause: error });
    }
    throw error;
  }
}

/** Only failures of the disk become errors of the file: what a tensor's producer throws passes unchanged. */
async function writing<T>(path: string, operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    throw toDataError(error, path, "write");
  }
}
