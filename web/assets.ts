import { createHash } from "node:crypto";
import { uplotStyles } from "./deps.ts";
import pages from "./pages.css" with { type: "text" };
import pictures from "./pictures.css" with { type: "text" };
import styles from "./style.css" with { type: "text" };

/** Modules that become scripts, relative to this one: `client` is on every page, the others are imported when they are needed. */
const scripts: Readonly<Record<string, string>> = {
  client: "./client.ts",
  viewer: "./islands/viewer/open_viewer.ts",
};

/** A script or style sheet as it is sent. */
export interface Asset {
  readonly body: Uint8Array<ArrayBuffer>;
  /** The body compressed with gzip. */
  readonly gzip: Uint8Array<ArrayBuffer>;
  readonly type: string;
  /** Digest of the body, hexadecimal. */
  readonly hash: string;
}

const types: Readonly<Record<string, string>> = {
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
};

/** Scripts and style sheets of the dashboard: made when first asked for, then kept in memory for every dashboard of the process. */
const made = new Map<string, Promise<Asset>>();

/**
 * A script bundle or the style sheet.
 *
 * @param name `style.css`, or a key of `scripts` with ".js"
 * @returns null when there is no such asset
 * @throws {Error} when a module cannot be bundled
 */
export function asset(name: string): Promise<Asset> | null {
  const known = made.get(name);
  if (known !== undefined) return known;
  const [base, ending] = name.split(".");
  const make = name === "style.css"
    ? () => Promise.resolve(new TextEncoder().encode([uplotStyles, styles, pages, pictures].join("\n")))
    : ending === "js" && Object.hasOwn(scripts, base)
    ? () => bundle(scripts[base])
    : null;
  if (make === null) return null;
  const promise = make().then((body) => finish(body, types[ending]));
  promise.catch(() => made.delete(name)); // the next request tries again
  made.set(name, promise);
  return promise;
}

/** Address of an asset that changes with its content, so that browsers may keep it for ever. */
export async function assetAddress(name: string): Promise<string> {
  const found = await asset(name);
  return found === null ? `/assets/${name}` : `/assets/${name}?v=${found.hash}`;
}

/** Answers a request for an asset: compressed where the browser can, "not modified" where it has it. */
export async function assetResponse(name: string, request: Request): Promise<Response | null> {
  const found = await asset(name);
  if (found === null) return null;
  const pinned = new URL(request.url).searchParams.get("v") === found.hash;
  const headers = new Headers({
    "content-type": found.type,
    "cache-control": pinned ? "public, max-age=31536000, immutable" : "no-cache",
    etag: `"${found.hash}"`,
    vary: "accept-encoding",
  });
  if (request.headers.get("if-none-match")?.includes(`"${found.hash}"`)) {
    return new Response(null, { status: 304, headers });
  }
  const compressed = /\bgzip\b/.test(request.headers.get("accept-encoding") ?? "");
  if (compressed) headers.set("content-encoding", "gzip");
  return new Response(compressed ? found.gzip : found.body, { headers });
}

async function bundle(module: string): Promise<Uint8Array<ArrayBuffer>> {
  if (typeof Deno.bundle !== "function") {
    throw new Error(
      "Cannot make the scripts of the dashboard: Deno was started without --unstable-bundle: add it",
    );
  }
  const { success, errors, outputFiles } = await Deno.bundle({
    entrypoints: [new URL(module, import.meta.url).href],
    platform: "browser",
    minify: true,
    write: false,
  });
  const found = outputFiles?.[0]?.contents;
  if (!success || !found) {
    throw new Error(`Cannot bundle ${module}: ${errors.map(({ text }) => text).join("; ")}`);
  }
  return new Uint8Array(found);
}

async function finish(body: Uint8Array<ArrayBuffer>, type: string): Promise<Asset> {
  const stream = new Blob([body]).stream().pipeThrough(new CompressionStream("gzip"));
  return {
    body,
    gzip: new Uint8Array(await new Response(stream).arrayBuffer()),
    type,
    hash: createHash("sha256").update(body).digest("hex").slice(0, 16),
  };
}
