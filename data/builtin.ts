import type * as crypto from "node:crypto";
import type process from "node:process";
import type * as zlib from "node:zlib";

interface Builtins {
  readonly "node:crypto": typeof crypto;
  readonly "node:process": typeof process;
  readonly "node:zlib": typeof zlib;
}

/**
 * A module of the runtime, loaded at its first use: an import would run its start-up code, which reads `Deno`, with everything that
 * is imported from mod.ts.
 */
export function builtin<Name extends keyof Builtins>(name: Name): Builtins[Name] {
  const { process } = globalThis as unknown as { process: { getBuiltinModule(name: string): unknown } };
  return process.getBuiltinModule(name) as Builtins[Name];
}
