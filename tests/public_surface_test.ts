import assert from "node:assert/strict";
import { helpPage } from "./support/help_page.ts";
import { repositoryRoot, spawn } from "./support/spawn.ts";

const update = Deno.env.get("UPDATE_SNAPSHOTS") === "1";

/** Compares a text with a file of the repository, or writes it when snapshots are updated. */
async function checkSnapshot(path: string, text: string): Promise<void> {
  const file = `${repositoryRoot}/${path}`;
  if (update) return await Deno.writeTextFile(file, text);
  const remedy =
    `${path} differs. If that is meant: UPDATE_SNAPSHOTS=1 deno test -A tests/public_surface_test.ts`;
  assert.equal(await Deno.readTextFile(file).catch(() => ""), text, remedy);
}

/** The part of `deno doc --json` that is used here. */
interface DocPage {
  readonly nodes: Readonly<Record<string, { readonly symbols: readonly DocSymbol[] }>>;
}

interface DocSymbol {
  readonly name: string;
  readonly declarations: readonly { readonly kind: string; readonly jsDoc?: { readonly doc?: string } }[];
}

/** Every export of `mod.ts`, with its documentation. */
async function publicSymbols(): Promise<readonly DocSymbol[]> {
  const { code, stdout, stderr } = await spawn(Deno.execPath(), ["doc", "--json", "mod.ts"], {
    cwd: repositoryRoot,
  });
  assert.equal(code, 0, stderr);
  const symbols = Object.values((JSON.parse(stdout) as DocPage).nodes).flatMap((module) => module.symbols);
  assert.ok(symbols.length > 20, stdout.slice(0, 300));
  return symbols;
}

Deno.test("docs/cli.md shows the help texts as they are", async () => {
  await checkSnapshot("docs/cli.md", await helpPage());
});

Deno.test("mod.ts exports what tests/public_surface.txt lists", async () => {
  const lines = (await publicSymbols()).flatMap(({ name, declarations }) =>
    declarations.map(({ kind }) => `${name} ${kind}`)
  );
  await checkSnapshot("tests/public_surface.txt", [...new Set(lines)].sort().join("\n") + "\n");
});

Deno.test("every export of mod.ts has a docstring", async () => {
  const bare = (await publicSymbols()).filter(({ declarations }) =>
    !declarations.some(({ jsDoc }) => jsDoc?.doc)
  );
  assert.deepEqual(bare.map(({ name }) => name), []);
});
