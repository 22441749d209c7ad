import { type RunConfig, runConfigSchema } from "./config.ts";
import { z } from "./deps.ts";
import { isJsonObject, type JsonObject, mergeConfig } from "./merge_config.ts";
import { runPresets } from "./presets.ts";

/** One wrong key of a configuration. */
export interface ConfigIssue {
  /** dotted path of the key, `patch[1]` for an array entry; empty for the configuration itself */
  readonly path: string;
  /** what was expected, and what to do */
  readonly message: string;
  /** the layer that set the key: a preset, the file's name, or the command line */
  readonly source: string;
}

/** A configuration that cannot be used; one issue for each wrong key. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  constructor(readonly issues: readonly ConfigIssue[]) {
    super(
      issues.map((issue) => `${issue.source}: ${issue.path}${issue.path && ": "}${issue.message}`).join("\n"),
    );
  }
}

/** The layers of a configuration, lowest first. */
export interface ConfigLayers {
  /** name of a whole run, default: the file's `preset`, else `demo` */
  readonly preset?: string;
  /** parsed content of a configuration file; `$schema` and `preset` are allowed beside the keys of {@linkcode RunConfig} */
  readonly file?: unknown;
  /** name of that file, for messages */
  readonly fileName?: string;
  /** what the command line overrides */
  readonly flags?: JsonObject;
}

/**
 * Builds the complete configuration of a run from preset, file and flags; later layers win.
 *
 * @throws {ConfigError} with the path of every wrong key and the layer it came from
 *
 * @example
 * ```ts
 * const config = resolveRunConfig({ preset: "paper", flags: { batch: { size: 2 } } });
 * console.log(config.patch); // [160, 160, 160]
 * ```
 */
export function resolveRunConfig(layers: ConfigLayers = {}): RunConfig {
  const fileName = layers.fileName ?? "configuration file";
  if (layers.file !== undefined && !isJsonObject(layers.file)) {
    throw new ConfigError([{
      path: "",
      source: fileName,
      message: "Expected a JSON object with the keys of a run",
    }]);
  }
  const { $schema: _schema, preset: filePreset, ...file } = layers.file ?? {};
  const preset = layers.preset ?? filePreset ?? "demo";
  if (typeof preset !== "string" || !Object.hasOwn(runPresets, preset)) {
    const source = layers.preset === undefined ? fileName : "command line";
    const names = Object.keys(runPresets).join(", ");
    throw new ConfigError([{
      path: "preset",
      source,
      message: `Found ${show(preset)}, expected one of ${names}`,
    }]);
  }
  const flags = layers.flags ?? {};
  const recipe: JsonObject = runConfigSchema.parse({});
  const base = mergeConfig(recipe, runPresets[preset as keyof typeof runPresets]);
  const tuning = flags.tuning === undefined ? file.tuning : flags.tuning; // whole: times of two tables do not mix
  const merged = {
    ...mergeConfig(mergeConfig(base, file), flags),
    ...(tuning === undefined ? {} : { tuning }),
  };
  const result = runConfigSchema.safeParse(merged);
  if (result.success) return result.data;
  throw new ConfigError(result.error.issues.map((issue) => {
    const source = has(flags, issue) ? "command line" : has(file, issue) ? fileName : `preset ${preset}`;
    return { path: dotted(issue.path), message: describe(issue, merged), source };
  }));
}

/**
 * JSON Schema (2020-12) of a configuration file, for editors.
 */
export function runConfigJsonSchema(): JsonObject {
  const schema = z.toJSONSchema(runConfigSchema, { io: "input" }) as JsonObject & { properties: JsonObject };
  const preset = {
    description: "whole run that the other keys change",
    default: "demo",
    type: "string",
    enum: Object.keys(runPresets),
  };
  return {
    ...schema,
    title: "Spark3D pre-training run",
    properties: { $schema: { type: "string" }, preset, ...schema.properties },
  };
}

type Issue = z.core.$ZodIssue;

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (node, key) => (node as Record<PropertyKey, unknown> | null | undefined)?.[key],
    value,
  );
}

/** Whether a layer holds the key an issue is about. */
function has(layer: JsonObject, issue: Issue): boolean {
  if (issue.code === "unrecognized_keys") {
    const node = at(layer, issue.path);
    return isJsonObject(node) && issue.keys.some((key) => Object.hasOwn(node, key));
  }
  return at(layer, issue.path) !== undefined;
}

function dotted(path: readonly PropertyKey[]): string {
  return path.map((key) => typeof key === "number" ? `[${key}]` : `.${String(key)}`).join("").replace(
    /^\./,
    "",
  );
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function describe(issue: Issue, config: JsonObject): string {
  const found = `found ${show(at(config, issue.path))}`;
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = knownKeys(issue.path);
      return issue.keys.map((key) => {
        const near = nearest(key, known);
        return `Unknown key ${show(key)}: ${
          near ? `did you mean ${near}?` : `expected one of ${known.join(", ")}`
        }`;
      }).join("; ");
    }
    case "invalid_value":
      return `Expected ${issue.values.length > 1 ? "one of " : ""}${
        issue.values.map(String).join(", ")
      }, ${found}`;
    case "invalid_union":
      return `Expected one of ${
        ((issue as { options?: readonly string[] }).options ?? []).join(", ")
      }, ${found}`;
    case "custom":
      return issue.message;
    default:
      return `${issue.message.replace(/, received .*$/, "").replace(/^Invalid input: e/, "E")}, ${found}`;
  }
}

type SchemaNode = { properties?: Record<string, SchemaNode>; oneOf?: SchemaNode[]; anyOf?: SchemaNode[] };

/** Names of the keys that an object at `path` may have, in every variant of a union. */
function knownKeys(path: readonly PropertyKey[]): string[] {
  const variants = (node: SchemaNode): SchemaNode[] => [node, ...(node.oneOf ?? []), ...(node.anyOf ?? [])];
  let nodes: SchemaNode[] = [runConfigJsonSchema() as SchemaNode];
  for (const key of path) {
    nodes = nodes.flatMap(variants).flatMap((node) => node.properties?.[String(key)] ?? []);
  }
  return [...new Set(nodes.flatMap(variants).flatMap((node) => Object.keys(node.properties ?? {})))];
}

/** The known name within two edits of `name`, if there is one. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const ranked = known.map((other) => ({
    other,
    distance: editDistance(name.toLowerCase(), other.toLowerCase()),
  }))
    .sort((a, b) => a.distance - b.distance);
  return ranked[0] && ranked[0].distance <= Math.max(2, Math.floor(name.length / 4))
    ? ranked[0].other
    : undefined;
}

/** Levenshtein distance, two rows at a time. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      row[j] = Math.min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    previous = row;
  }
  return previous[b.length];
}
