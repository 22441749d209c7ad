/**
 * The real path of a file or folder below a folder; null when it does not exist, when the name leads out of the folder, or when a
 * symbolic link does.
 *
 * @param root real absolute path of the folder
 * @param relative names joined by "/", without ".", ".." and empty ones; "" is the folder itself
 */
export async function resolveInside(root: string, relative: string): Promise<string | null> {
  const names = relative === "" ? [] : relative.split("/");
  // deno-lint-ignore no-control-regex
  if (names.some((name) => name === "" || name === "." || name === ".." || /[\\\x00-\x1f\x7f]/.test(name))) {
    return null;
  }
  try {
    const path = await Deno.realPath([root, ...names].join("/"));
    return path === root || path.startsWith(root.endsWith("/") ? root : `${root}/`) ? path : null;
  } catch {
    return null; // not there, too long, not readable
  }
}

/**
 * The real path of a run's folder; null when there is none below the dashboard's roots.
 *
 * @param roots real absolute paths of the folders that are shown
 * @param id path relative to the first root; `~N/PATH` is relative to root N, counted from 0, and `~N` is that root itself
 */
export function resolveRun(roots: readonly string[], id: string): Promise<string | null> {
  const other = /^~(\d{1,3})(?:\/(.+))?$/.exec(id);
  const root = roots[other === null ? 0 : Number(other[1])];
  if (root === undefined || id === "") return Promise.resolve(null);
  return resolveInside(root, other === null ? id : other[2] ?? "");
}
