/** Bounds of the search: levels below a root, folders that are listed, runs. */
const MAX_DEPTH = 6, MAX_FOLDERS = 20_000, MAX_RUNS = 2000;

/** Folders of a run, and of anything else, that hold no other run. */
const SKIPPED = /^\.|\.zarr$|^(checkpoints|control|node_modules|pictures|slices|store)$/;

/** What a search found, as paths relative to the root, "" for the root itself. */
export interface FoundRuns {
  readonly runs: readonly string[];
  /** Folders that hold a report.html. */
  readonly reports: readonly string[];
  /** What was left out, null when nothing. */
  readonly message: string | null;
}

/** Whether the names in a folder are those of a run; the common folder of several folds is none. */
export function isRunFolder(names: ReadonlySet<string>): boolean {
  if (names.has("run.sqlite") || names.has("run.json")) return true;
  return names.has("inputs.json") && names.has("config.json") &&
    ![...names].some((name) => /^fold_(\d+|all)$/.test(name));
}

/** Finds run folders and reports at most six levels below a folder. Follows no symbolic link; what cannot be listed is passed over. */
export async function findRuns(root: string): Promise<FoundRuns> {
  const runs: string[] = [], reports: string[] = [];
  let level = [""], folders = 0;
  for (let depth = 0; depth <= MAX_DEPTH && level.length > 0; depth++) {
    const next: string[] = [];
    for (const path of level) {
      if (++folders > MAX_FOLDERS || runs.length >= MAX_RUNS) {
        const message = `Only ${runs.length} runs in ${folders - 1} folders are shown: name a smaller folder`;
        return { runs, reports, message };
      }
      const names = new Set<string>(), inner: string[] = [];
      try {
        for await (const entry of Deno.readDir(path === "" ? root : `${root}/${path}`)) {
          names.add(entry.name);
          // deno-lint-ignore no-control-regex
          if (!entry.isDirectory || SKIPPED.test(entry.name) || /[\\\x00-\x1f\x7f]/.test(entry.name)) {
            continue;
          }
          inner.push(path === "" ? entry.name : `${path}/${entry.name}`);
        }
      } catch {
        continue; // removed meanwhile, or not ours to read
      }
      if (isRunFolder(names)) runs.push(path);
      if (names.has("report.html")) reports.push(path);
      if (!names.has("store.json") && !names.has("labelled.json")) next.push(...inner.sort());
    }
    level = next;
  }
  return { runs, reports, message: null };
}
