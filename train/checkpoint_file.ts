import { CheckpointError } from "./checkpoint_state.ts";
import { runPaths } from "./run_folder.ts";

/** Which checkpoint of a run folder. */
export type CheckpointKind = "final" | "best" | "latest";

/**
 * The checkpoint that a path means: the file itself, or that of a run folder.
 *
 * @param kind which of a folder; the first of final, best and latest that there is when left out
 * @throws {CheckpointError} when there is none, or it is a file of PyTorch
 */
export async function checkpointFile(path: string, kind?: CheckpointKind): Promise<string> {
  const found = await Deno.stat(path).catch(() => null);
  if (found?.isFile && /\.(pth|pt|ckpt)$/i.test(path)) {
    throw new CheckpointError(
      `Cannot read a checkpoint from ${path}: found a file of PyTorch, wanted safetensors: ` +
        `import it first: spark3d import ${path} --out model.safetensors`,
      path,
    );
  }
  if (found?.isFile) return path;
  const wanted = kind ? [kind] : ["final", "best", "latest"] as const;
  const paths = runPaths(path);
  for (const one of wanted) {
    if (await Deno.stat(paths[one]).then(() => true, () => false)) return paths[one];
  }
  const what = found ? "a folder without checkpoints" : "no such file or folder";
  throw new CheckpointError(
    `Cannot read a checkpoint from ${path}: found ${what}, wanted checkpoints/${
      kind ?? "final"
    }.safetensors: ` +
      `name a run folder or a checkpoint`,
    path,
  );
}
