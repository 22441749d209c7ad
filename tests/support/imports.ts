/** One import or re-export of a module, as its source writes it. */
export interface ImportStatement {
  readonly specifier: string;
  /** erased before the program runs */
  readonly typeOnly: boolean;
  /** `import("...")` */
  readonly dynamic: boolean;
}

/**
 * Finds the imports of a TypeScript module: static ones, re-exports, dynamic ones with a literal, and modules named by
 * `new URL("...", import.meta.url)`. Comments are left out; that is where examples live.
 *
 * @param programsInTemplates the module writes programs into template literals, as tests do: those are left out too
 */
export function importsOf(source: string, programsInTemplates = false): ImportStatement[] {
  const bare = withoutComments(source);
  const code = programsInTemplates ? bare.replace(/`(?:[^`\\]|\\.)*`/g, "``") : bare;
  const found: ImportStatement[] = [];
  const statement = /^[ \t]*(import|export)(\s+type)?\s+(?:[\w$*\s{},]+?\s+from\s+)?["']([^"'\n]+)["']/gm;
  for (const [, keyword, type, specifier] of code.matchAll(statement)) {
    if (keyword === "export" && !code.includes("from")) continue;
    found.push({ specifier, typeOnly: type !== undefined, dynamic: false });
  }
  for (const [, specifier] of code.matchAll(/\bimport\(\s*["']([^"'\n]+)["']/g)) {
    found.push({ specifier, typeOnly: false, dynamic: true });
  }
  for (
    const [, specifier] of code.matchAll(/new URL\(\s*["'](\.[^"'\n]+\.ts)["']\s*,\s*import\.meta\.url/g)
  ) {
    found.push({ specifier, typeOnly: false, dynamic: true });
  }
  return found;
}

/** The source with comments blanked out; strings and templates stay as they are. */
export function withoutComments(source: string): string {
  return source.replace(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g,
    (text, string: string | undefined) => string ?? text.replace(/[^\n]/g, " "),
  );
}

/** Every TypeScript module below a folder, as paths relative to `root`, sorted. */
export async function modulesBelow(root: string, folder: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (path: string): Promise<void> => {
    for await (const entry of Deno.readDir(`${root}/${path}`)) {
      const child = path === "" ? entry.name : `${path}/${entry.name}`;
      const results = /^(runs|coverage|demo)$/.test(child); // folders of code may have these names
      if (entry.isDirectory && !results && !/^(\.|node_modules$)/.test(entry.name)) {
        await visit(child);
      } else if (entry.isFile && /\.tsx?$/.test(entry.name)) found.push(child);
    }
  };
  await visit(folder);
  return found.sort();
}

/** The path, relative to the repository, of a relative import. */
export function resolveImport(from: string, specifier: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}
