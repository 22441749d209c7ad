/** Lines that ran and lines that could, of one folder. */
export interface LineCoverage {
  readonly folder: string;
  readonly covered: number;
  readonly lines: number;
  /** modules that no test loaded; all their lines count as not covered */
  readonly neverLoaded: readonly string[];
}

/**
 * Line coverage of each folder from an LCOV report. Modules that no test loaded are not in such a report: their
 * non-empty lines count as not covered, unless they hold nothing but types, imports and re-exports.
 *
 * @param lcov text with absolute paths in its `SF:` lines
 * @param root absolute path of the repository, without a closing slash
 * @param folders names of folders at the root
 */
export async function folderCoverage(
  lcov: string,
  root: string,
  folders: readonly string[],
): Promise<LineCoverage[]> {
  const files = parseLcov(lcov);
  const result: LineCoverage[] = [];
  for (const folder of folders) {
    let covered = 0, lines = 0;
    const neverLoaded: string[] = [];
    for await (const path of modulesBelow(`${root}/${folder}`)) {
      const found = files.get(path);
      if (found !== undefined) {
        covered += found.covered;
        lines += found.lines;
        continue;
      }
      const source = await Deno.readTextFile(path);
      if (!hasStatements(source)) continue;
      lines += source.split("\n").filter((line) => line.trim() !== "").length;
      neverLoaded.push(path.slice(root.length + 1));
    }
    result.push({ folder, covered, lines, neverLoaded });
  }
  return result;
}

/** Covered and coverable lines of each file of an LCOV report; a file that comes up twice counts the union. */
export function parseLcov(lcov: string): ReadonlyMap<string, { covered: number; lines: number }> {
  const hits = new Map<string, Map<number, number>>();
  let file: Map<number, number> | null = null;
  for (const line of lcov.split("\n")) {
    if (line.startsWith("SF:")) {
      const path = line.slice(3).trim();
      file = hits.get(path) ?? new Map();
      hits.set(path, file);
    } else if (line.startsWith("DA:") && file !== null) {
      const [number, count] = line.slice(3).split(",").map(Number);
      file.set(number, Math.max(file.get(number) ?? 0, count));
    }
  }
  return new Map([...hits].map(([path, counts]) => {
    const covered = [...counts.values()].filter((count) => count > 0).length;
    return [path, { covered, lines: counts.size }];
  }));
}

/**
 * Removes the raw data of processes that were killed while they wrote it: JSON without its closing brace, which
 * `deno coverage` refuses.
 *
 * @returns how many files that were
 */
export function removeUnfinished(folder: string): number {
  let removed = 0;
  const last = new Uint8Array(1);
  for (const { name } of [...Deno.readDirSync(folder)]) {
    const path = `${folder}/${name}`;
    using file = Deno.openSync(path);
    const { size } = file.statSync();
    if (size > 0) {
      file.seekSync(-1, Deno.SeekMode.End);
      file.readSync(last);
      if (last[0] === "}".charCodeAt(0)) continue;
    }
    Deno.removeSync(path);
    removed++;
  }
  return removed;
}

/** Whether a module does anything at run time beyond re-exporting. */
export function hasStatements(source: string): boolean {
  return /^(export )?(default )?(declare )?(async function|function|const|let|class|abstract class|enum)\b/m
    .test(source);
}

async function* modulesBelow(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* modulesBelow(path);
    else if (entry.name.endsWith(".ts")) yield path;
  }
}
