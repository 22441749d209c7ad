import { createHash, timingSafeEqual } from "node:crypto";
import { HttpError } from "./route.ts";

/** Longest address of a request, characters. */
const MOST_URL = 4096;
/** Largest body of a request, bytes. */
const MOST_BODY = 16 * 1024;

/** A new secret: 192 random bits as base64url. */
export function newToken(): string {
  return crypto.getRandomValues(new Uint8Array(24)).toBase64({ alphabet: "base64url" });
}

/** Headers of every answer. Scripts, styles and connections come from the dashboard alone; nothing is inline, nothing is framed. */
export const safeHeaders: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};

/**
 * Refuses a request that no browser sends on behalf of a page of this dashboard.
 *
 * @param local whether only names of this machine are right, which stops a foreign name that is made to point here
 * @throws {HttpError} 403, 405, 414, 415
 */
export function checkRequest(request: Request, url: URL, local: boolean): void {
  if (request.url.length > MOST_URL) {
    throw new HttpError(
      414,
      `Found an address of ${request.url.length} characters, wanted at most ${MOST_URL}`,
    );
  }
  const host = (request.headers.get("host") ?? url.host).toLowerCase();
  if (local && !/^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/.test(host)) {
    throw new HttpError(
      403,
      "This dashboard answers under the names localhost, 127.0.0.1 and [::1] only: open it under one of them, or start it with a token",
    );
  }
  if (request.method === "GET" || request.method === "HEAD") return;
  if (request.method !== "POST") {
    throw new HttpError(405, `Found the method ${request.method}, wanted GET, HEAD or POST`, {
      allow: "GET, HEAD, POST",
    });
  }
  const origin = request.headers.get("origin") ?? "";
  const site = request.headers.get("sec-fetch-site") ?? "same-origin";
  if (
    !/^https?:\/\//.test(origin) || origin.slice(origin.indexOf("//") + 2) !== host || site !== "same-origin"
  ) {
    throw new HttpError(403, "Only pages of this dashboard may send this: open the dashboard and try again");
  }
  if (!/^application\/json\s*(;|$)/i.test(request.headers.get("content-type") ?? "")) {
    throw new HttpError(415, "Found another type of body, wanted application/json");
  }
}

/**
 * Reads the JSON body of a request.
 *
 * @throws {HttpError} 400 when it is no JSON, 413 when it is larger than 16 KiB
 */
export async function readBody(request: Request): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const piece of request.body ?? []) {
      if ((size += piece.length) > MOST_BODY) break;
      pieces.push(piece);
    }
  } catch (cause) {
    throw new HttpError(400, `Cannot read the body: ${cause}`);
  }
  if (size > MOST_BODY) throw new HttpError(413, `Found a body of more than ${MOST_BODY} bytes: send less`);
  try {
    return JSON.parse(await new Blob(pieces as Uint8Array<ArrayBuffer>[]).text());
  } catch {
    throw new HttpError(400, "Found a body that is no JSON");
  }
}

/** The secret of one dashboard: who has it, in a cookie or an address, may look. */
export class Gate {
  readonly #digest: Uint8Array | null;
  readonly #token: string | null;
  readonly #cookie: string;

  /** @param token null lets everybody in */
  constructor(token: string | null) {
    this.#token = token;
    this.#digest = token === null ? null : digest(token);
    // cookies are shared by all ports of a host, so that each dashboard needs a name of its own
    this.#cookie = `spark3d_${token === null ? "" : digest(token).toHex().slice(0, 8)}`;
  }

  /** Whether a token is the right one; takes as long whatever it is. */
  #fits(token: string): boolean {
    return this.#digest !== null && timingSafeEqual(digest(token), this.#digest);
  }

  /** Whether the request carries the right cookie. */
  opens(request: Request): boolean {
    if (this.#digest === null) return true;
    const cookies = (request.headers.get("cookie") ?? "").split(/;\s*/);
    const found = cookies.find((cookie) => cookie.startsWith(`${this.#cookie}=`));
    return found !== undefined && this.#fits(found.slice(this.#cookie.length + 1));
  }

  /** Answers an address with `?token=`: the right one becomes a cookie and leaves the address; null when there is none or it is wrong. */
  enter(request: Request, url: URL): Response | null {
    const token = url.searchParams.get("token");
    if (token === null || request.method !== "GET" || !this.#fits(token)) return null;
    const target = new URL(url);
    target.searchParams.delete("token");
    return new Response(null, {
      status: 303,
      headers: {
        ...safeHeaders,
        // never "//name", which would be another host
        location: target.pathname.replace(/^\/+/, "/") + target.search,
        "set-cookie": `${this.#cookie}=${this.#token}; HttpOnly; SameSite=Strict; Path=/`,
      },
    });
  }
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

/**
 * Bounds how many requests an address may send: a bucket that is emptied by one a request and refilled evenly.
 *
 * @param capacity requests at once
 * @param perSecond requests a second in the long run
 */
export class RateLimit {
  readonly #buckets = new Map<string, { left: number; time: number }>();
  constructor(private readonly capacity = 2000, private readonly perSecond = 200) {}

  /**
   * Counts one request.
   * @param now milliseconds
   * @throws {HttpError} 429
   */
  count(address: string, now: number): void {
    const bucket = this.#buckets.get(address) ?? { left: this.capacity, time: now };
    const left = Math.min(this.capacity, bucket.left + (now - bucket.time) / 1000 * this.perSecond);
    this.#buckets.delete(address); // the oldest stay in front
    this.#buckets.set(address, { left: Math.max(0, left - 1), time: now });
    if (this.#buckets.size > 4096) this.#buckets.delete(this.#buckets.keys().next().value!);
    if (left < 1) {
      throw new HttpError(429, "Too many requests: wait a second", { "retry-after": "1" });
    }
  }
}
