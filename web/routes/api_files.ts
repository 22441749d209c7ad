import { resolveInside, resolveRun } from "../resolve_inside.ts";
import { HttpError, type Route, type RouteContext } from "../route.ts";
import { signature } from "../runs/log_source.ts";
import { caseImage } from "../runs/stored_files.ts";
import { run } from "./api.ts";

/** Files of a run that may be read, and their types; volumes may lie in a folder of the run. */
const FILES: readonly (readonly [RegExp, string])[] = [
  [/^(reconstruction|pictures\/step_\d+)\.png$/, "image/png"],
  [/^([^/]+\/)?[^/]+\.nii(\.gz)?$/, "application/octet-stream"],
  [/^plan\.txt$/, "text/plain; charset=utf-8"],
  [/^plan\.json$/, "application/json"],
];
const SLICES: typeof FILES = [[/^slices\/(reference|step_\d+)\.safetensors$/, "application/octet-stream"]];

/** Reports bring their own style and pictures inline; nothing of them runs or is loaded. */
const REPORT_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox";

/** Stored files of runs, images of data sets, reports. */
export const fileRoutes: readonly Route[] = [
  { method: "GET", path: "/api/file", handle: (context) => storedFile(context, FILES) },
  { method: "GET", path: "/api/slices/file", handle: (context) => storedFile(context, SLICES) },
  { method: "GET", path: "/api/image", handle: image },
  { method: "GET", path: "/api/report", handle: report },
];

async function storedFile(context: RouteContext, allowed: typeof FILES): Promise<Response> {
  const name = context.url.searchParams.get("file") ?? "", id = run(context);
  const type = allowed.find(([pattern]) => pattern.test(name))?.[1];
  if (type === undefined) {
    throw new HttpError(
      404,
      `Cannot serve ${JSON.stringify(name)} of run ${JSON.stringify(id)}: it is no file for pages`,
    );
  }
  return await fileResponse(context, await context.dashboard.runs.file(id, name), type);
}

async function image(context: RouteContext): Promise<Response> {
  const id = run(context), name = context.url.searchParams.get("case") ?? "";
  const path = await caseImage(context.dashboard.runs, id, name);
  if (path !== null) return await fileResponse(context, path, "application/octet-stream");
  throw new HttpError(
    404,
    `Cannot find the image of ${JSON.stringify(name)}: its data set is not below the folder that is shown`,
  );
}

async function report(context: RouteContext): Promise<Response> {
  const id = context.url.searchParams.get("report") ?? "";
  const folder = await resolveRun(context.dashboard.roots, id);
  const path = folder && await resolveInside(folder, "report.html");
  if (!path) throw new HttpError(404, `Cannot find a report in ${JSON.stringify(id)}`);
  const response = await fileResponse(context, path, "text/html; charset=utf-8");
  response.headers.set("content-security-policy", REPORT_POLICY);
  return response;
}

/** A file as it is now; 304 when the browser has it already. @param path real path */
async function fileResponse({ request }: RouteContext, path: string, type: string): Promise<Response> {
  const facts = await Deno.stat(path).catch(() => null); // first, for opening a pipe would wait
  if (!facts?.isFile) throw new HttpError(404, "Cannot serve the file: it was removed, or is no file");
  const etag = `"${signature(facts).replaceAll(" ", "-")}"`;
  const headers = new Headers({ "content-type": type, etag, "cache-control": "no-cache" });
  if (request.headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers });
  const file = await Deno.open(path).catch(() => null);
  if (file === null) throw new HttpError(404, "Cannot open the file: it was removed, or is not readable");
  headers.set("content-length", String((await file.stat()).size)); // it may have been replaced meanwhile
  return new Response(file.readable, { headers });
}
