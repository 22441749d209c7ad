import { createHash } from "node:crypto";

/** SHA-256 of every file below a folder, by relative path: two folders with equal digests hold the same bytes under the same names. */
export async function folderDigest(root: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for await (const { name, isDirectory } of Deno.readDir(`${root}/${folder}`)) {
      const path = folder === "" ? name : `${folder}/${name}`;
      if (isDirectory) folders.push(path);
      else files[path] = createHash("sha256").update(await Deno.readFile(`${root}/${path}`)).digest("hex");
    }
  }
  return Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));
}
