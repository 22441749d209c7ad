import { z } from "./deps.ts";
import { isJsonObject, type JsonObject, mergeConfig } from "./merge_config.ts";

/** One wrong key of a configuration. */
export interface ConfigIssue {
  /** dotted path of the key, `patch[1]` for an array entry; empty for the configuration itself */
  readonly path: string;
  /** what was expected, and what to do */
  readonly message: string;
  /** the layer that set the key: a preset, a plan, the file's name, or the command line */
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

/** What a user chooses: preset, file and flags; later ones win. */
export interface ConfigLayers {
  /** name of a whole run, default: the file's `preset`, else the kind of run's own */
  readonly preset?: string;
  /** parsed content of a configuration file; `$schema` and `preset` are allowed beside the keys of the configuration */
  readonly file?: unknown;
  /** name of that file, for messages */
  readonly fileName?: string;
  /** what the command line overrides */
  readonly flags?: JsonObject;
}

/** A kind of run: its schema and its presets. */
export interface ConfigKind<T> {
  readonly title: string;
  readonly schema: z.ZodType<T>;
  readonly presets: Readonly<Record<string, JsonObject>>;
  readonly defaultPreset: string;
}

/** A partial configuration and who set it. */
export interface NamedLayer {
  readonly source: string;
  readonly values: JsonObject;
}

/**
 * Lays preset, file and flags over each other, and checks the result.
 *
 * @param around the recipe below everything; named layers below the preset, and between preset and file
 * @throws {ConfigError} with the path of every wrong key and the layer it came from
 */
export function resolveLayers<T>(
  kind: ConfigKind<T>,
  layers: ConfigLayers,
  around: {
    readonly recipe: JsonObject;
    readonly below?: readonly NamedLayer[];
    readonly above?: readonly NamedLayer[];
  },
): T {
  const fileName = layers.fileName ?? "configuration file";
  if (layers.file !== undefined && !isJsonObject(layers.file)) {
    throw new ConfigError([{
      path: "",
      source: fileName,
      message: "Expected a JSON object with the keys of a run",
    }]);
  }
  const { $schema: _schema, preset: filePreset, ...file } = layers.file ?? {};
  const preset = layers.preset ?? filePreset ?? kind.defaultPreset;
  if (typeof preset !== "string" || !Object.hasOwn(kind.presets, preset)) {
    const source = layers.preset === undefined ? fileName : "command line";
    const names = Object.keys(kind.presets).join(", ");
    throw new ConfigError([{
      path: "preset",
      source,
      message: `Found ${show(preset)}, expected one of ${names}`,
    }]);
  }
  const stack: readonly NamedLayer[] = [
    ...around.below ?? [],
    { source: `preset ${preset}`, values: kind.presets[preset] },
    ...around.above ?? [],
    { source: fileName, values: file },
    { source: "command line", values: layers.flags ?? {} },
  ];
  const tuning = stack.findLast(({ values }) => values.tuning !== undefined)?.values.tuning;
  const merged = {
    ...stack.reduce<JsonObject>((base, { values }) => mergeConfig(base, values), around.recipe),
    ...(tuning === undefined ? {} : { tuning }), // whole: times of two tables do not mix
  };
  const result = kind.schema.safeParse(merged);
  if (result.success) return result.data;
  throw new ConfigError(result.error.issues.map((issue) => {
    const layer = stack.findLast(({ values }) => has(values, issue));
    const message = describe(issue, merged, configJsonSchema(kind));
    return { path: dotted(issue.path), message, source: layer?.source ?? `preset ${preset}` };
  }));
}

/** JSON Schema (2020-12) of the configuration file of a kind of run, for editors. */
export function configJsonSchema<T>({ title, schema, presets, defaultPreset }: ConfigKind<T>): JsonObject {
  const keys = z.toJSONSchema(schema, { io: "input" }) as JsonObject & { properties: JsonObject };
  const preset = {
    description: "whole run that the other keys change",
    default: defaultPreset,
    type: "string",
    enum: Object.keys(presets),
  };
  return { ...keys, title, properties: { $schema: { type: "string" }, preset, ...keys.properties } };
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

function describe(issue: Issue, config: JsonObject, schema: JsonObject): string {
  const found = `found ${show(at(config, issue.path))}`;
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = knownKeys(schema, issue.path);
      return issue.keys.map((key) => {
        if (known.includes(key)) {
          return `Unknown key ${show(key)} of this kind: choose a kind that has it, or leave it out`;
        }
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
function knownKeys(schema: JsonObject, path: readonly PropertyKey[]): string[] {
  const variants = (node: SchemaNode): SchemaNode[] => [node, ...(node.oneOf ?? []), ...(node.anyOf ?? [])];
  let nodes: SchemaNode[] = [schema as SchemaNode];
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
