import assert from "node:assert/strict";
import { importsOf, modulesBelow, resolveImport, withoutComments } from "./support/imports.ts";
import { repositoryRoot, spawn } from "./support/spawn.ts";

/** What each folder of code may import, beside itself. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  kernels: [],
  data: [],
  model: ["kernels"],
  train: ["kernels", "model", "data"],
  evaluate: ["data"],
  web: ["train", "data"],
  bench: ["kernels", "model", "train", "data", "evaluate"],
};

/** Narrower rules inside kernels/: what each part may import, beside itself and the files at its top. */
const kernelParts: Readonly<Record<string, { values: readonly string[]; types: readonly string[] }>> = {
  wgsl: { values: [], types: [] },
  ops: { values: ["wgsl"], types: ["graph"] },
  graph: { values: [], types: ["ops"] },
  runtime: { values: ["wgsl"], types: ["graph"] },
};

interface Edge {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
  readonly dynamic: boolean;
}

const modules = await modulesBelow(repositoryRoot, "");
const sources = new Map<string, string>();
for (const path of modules) sources.set(path, await Deno.readTextFile(`${repositoryRoot}/${path}`));

const edges: Edge[] = [];
const external: { from: string; specifier: string }[] = [];
for (const [from, source] of sources) {
  for (const { specifier, typeOnly, dynamic } of importsOf(source, from.startsWith("tests/"))) {
    if (specifier.endsWith(".json")) continue; // data, not code
    if (specifier.startsWith(".")) {
      edges.push({ from, to: resolveImport(from, specifier), typeOnly, dynamic });
    } else external.push({ from, specifier });
  }
}

const folderOf = (path: string): string => path.includes("/") ? path.slice(0, path.indexOf("/")) : "";

Deno.test("importsOf() sees every form of import and no example in a comment", () => {
  const source = `import a from "./a.ts";
import type { B } from "./b.ts";
import {
  c,
  type D,
} from "./c.ts";
export * from "./e.ts";
export { f } from './f.ts';
export * as g from "npm:zod@4.6.7";
import "./h.ts";
import json from "../deno.json" with { type: "json" };
const i = await import("./i.ts");
const j = new Worker(new URL("./j.ts", import.meta.url), { type: "module" });
/** import k from "./k.ts" */
// import l from "./l.ts"
const text = "https://example.org // no comment";
export const from = 1;`;
  const found = importsOf(source).map((item) =>
    `${item.specifier}${item.typeOnly ? " type" : ""}${item.dynamic ? " dynamic" : ""}`
  );
  assert.deepEqual(found.sort(), [
    "../deno.json",
    "./a.ts",
    "./b.ts type",
    "./c.ts",
    "./e.ts",
    "./f.ts",
    "./h.ts",
    "./i.ts dynamic",
    "./j.ts dynamic",
    "npm:zod@4.6.7",
  ]);
  assert.ok(withoutComments(source).includes("no comment"));
});

Deno.test("folders import in one direction only", () => {
  const wrong = edges.filter(({ from, to }) => {
    const source = folderOf(from), target = folderOf(to);
    return source in mayImport && source !== target && !mayImport[source].includes(target);
  });
  assert.deepEqual(wrong.map(({ from, to }) => `${from} imports ${to}`), []);
});

Deno.test("the parts of kernels/ import in one direction only", () => {
  const partOf = (path: string) => path.match(/^kernels\/([^/]+)\/.+/)?.[1];
  const wrong = edges.filter(({ from, to, typeOnly }) => {
    const source = partOf(from), target = partOf(to);
    if (source === undefined || target === undefined || source === target || !(source in kernelParts)) {
      return false;
    }
    const { values, types } = kernelParts[source];
    return !values.includes(target) && !(typeOnly && types.includes(target));
  });
  assert.deepEqual(wrong.map(({ from, to }) => `${from} imports ${to}`), []);
});

Deno.test("islands run in browsers: of the server they know types only", () => {
  const wrong = edges.filter(({ from, to, typeOnly }) =>
    from.startsWith("web/islands/") && !typeOnly && !/^(web\/islands|data)\//.test(to)
  );
  assert.deepEqual(wrong.map(({ from, to }) => `${from} imports ${to}`), []);
});

Deno.test("folders form no cycle", () => {
  const next = new Map<string, Set<string>>();
  for (const { from, to } of edges) {
    const source = folderOf(from), target = folderOf(to);
    if (source === target || source === "tests") continue;
    next.set(source, (next.get(source) ?? new Set()).add(target));
  }
  const cycles: string[] = [];
  const visit = (folder: string, path: readonly string[]): void => {
    if (path.includes(folder)) {
      cycles.push([...path.slice(path.indexOf(folder)), folder].join(" -> "));
      return;
    }
    for (const target of next.get(folder) ?? []) visit(target, [...path, folder]);
  };
  for (const folder of next.keys()) visit(folder, []);
  assert.deepEqual(cycles, []);
});

Deno.test("modules import each other without cycles at run time", () => {
  const next = Map.groupBy(
    edges.filter(({ typeOnly, dynamic }) => !typeOnly && !dynamic),
    ({ from }) => from,
  );
  const state = new Map<string, "open" | "done">();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === "done") return;
    if (state.get(path) === "open") {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(" -> "));
      return;
    }
    state.set(path, "open");
    for (const { to } of next.get(path) ?? []) visit(to, [...trail, path]);
    state.set(path, "done");
  };
  for (const path of sources.keys()) visit(path, []);
  assert.deepEqual(cycles, []);
});

Deno.test("relative imports of code lead to modules that exist", () => {
  const missing = edges.filter(({ to }) => /\.tsx?$/.test(to) && !sources.has(to));
  assert.deepEqual(missing.map(({ from, to }) => `${from} imports ${to}`), []);
});

Deno.test("third-party modules are pinned npm: specifiers, named in deps.ts only", () => {
  const wrong = external.filter(({ from, specifier }) => {
    if (specifier.startsWith("node:")) return false;
    const pinned = /^npm:(@[\w.-]+\/)?[\w.-]+@\d+\.\d+\.\d+(\/.*)?$/.test(specifier);
    return !pinned || !(from.endsWith("/deps.ts") || from.startsWith("tests/"));
  });
  assert.deepEqual(wrong.map(({ from, specifier }) => `${from} imports ${specifier}`), []);
});

Deno.test("Preact comes in one version, which JSX names, too", () => {
  const wrong = external.filter(({ from, specifier }) =>
    specifier.startsWith("npm:preact@") && from.startsWith("web/") &&
    !/^npm:preact@11\.2\.0(\/|$)/.test(specifier)
  );
  assert.deepEqual(wrong, []);
  const pragma = "/** @jsxImportSource npm:preact@11.2.0 */\n"; // deno.json is not there when web/ is imported by URL
  const without = [...sources].filter(([path, source]) =>
    path.endsWith(".tsx") && !source.startsWith(pragma)
  );
  assert.deepEqual(without.map(([path]) => path), []);
});

Deno.test("commander is imported in cli/ only", () => {
  const wrong = external.filter(({ from, specifier }) =>
    /commander/.test(specifier) && !from.startsWith("cli/")
  );
  assert.deepEqual(wrong, []);
});

Deno.test("no file is longer than 400 lines", () => {
  const long = [...sources].filter(([, source]) => source.split("\n").length - 1 > 400);
  assert.deepEqual(long.map(([path, source]) => `${path}: ${source.split("\n").length - 1} lines`), []);
});

Deno.test("files and folders of code are named in snake_case", () => {
  const wrong = modules.filter((path) =>
    path.split("/").some((part) => !/^[a-z0-9_]+(\.wgsl)?(\.tsx?)?$/.test(part))
  );
  assert.deepEqual(wrong, []);
});

Deno.test("GPU objects are handled in kernels/runtime only", () => {
  const allowed = /^(kernels\/runtime\/|tests\/|bench\/|train\/gpu_worker\.ts$|cli\/adapter\.ts$)/;
  const wrong = [...sources].filter(([path, source]) =>
    !allowed.test(path) &&
    /\bGPU(Device|Buffer|Queue|CommandEncoder|ComputePipeline)\b/.test(withoutComments(source))
  );
  assert.deepEqual(wrong.map(([path]) => path), []);
});

Deno.test("tracked files name no path of one machine and no registry host", async () => {
  const { code, stdout } = await spawn("git", ["ls-files", "-z"], { cwd: repositoryRoot });
  if (code !== 0) return; // an export without its history: the files above still count
  const forbidden = [
    new RegExp(`(?<![\\w.])/(${["work", "root", "home"].join("|")})/\\w`),
    new RegExp(["registry", "npmjs", "org"].join("\\.")),
    new RegExp(["npm", "jsr", "io"].join("\\.")),
    new RegExp(["\\bjsr", "@"].join(":")),
  ];
  const wrong: string[] = [];
  for (
    const path of stdout.split("\0").filter((name) =>
      /\.(tsx?|md|json|lock|sh|py)$|^spark3d$|^\.ci\//.test(name)
    )
  ) {
    const text = await Deno.readTextFile(`${repositoryRoot}/${path}`).catch(() => "");
    const line = text.split("\n").findIndex((content) => forbidden.some((pattern) => pattern.test(content)));
    if (line >= 0) wrong.push(`${path}:${line + 1}`);
  }
  assert.deepEqual(wrong, []);
});
