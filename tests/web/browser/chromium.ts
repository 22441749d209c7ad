import { type Browser, chromium } from "../deps.ts";

/** Where a Chromium or Chrome may be, in the order of search; the environment's SPARK3D_CHROMIUM goes first. */
const candidates: readonly string[] = [
  Deno.env.get("SPARK3D_CHROMIUM"),
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
].filter((path) => path !== undefined);

/** Path of a browser on this machine, null when there is none: browser tests are skipped then, and say so. */
export const chromiumPath: string | null = candidates.find((path) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}) ?? null;

if (chromiumPath === null) {
  console.log("skipped: browser tests need Chromium (Debian, Ubuntu: sudo apt-get install chromium)");
}

/** The browser keeps to itself: no updates, no background requests, so that every request seen is one of the page's. */
const quiet = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];
const softwareGl = [
  "--use-gl=angle",
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
  "--ignore-gpu-blocklist",
];

/** Starts the browser, with WebGL 2 on the CPU or without WebGL. Ends with `await using`. */
export async function launchChromium(
  { webgl = false }: { readonly webgl?: boolean } = {},
): Promise<Browser & AsyncDisposable> {
  const browser = await chromium.launch({
    executablePath: chromiumPath!,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-dev-shm-usage",
      ...quiet,
      ...webgl ? softwareGl : ["--disable-gpu", "--disable-3d-apis"],
    ],
  });
  return Object.assign(browser, { [Symbol.asyncDispose]: () => browser.close() });
}

/** A test that drives a browser: skipped where there is none, or where `ignore` says so. */
export function browserTest(
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
  { ignore = false }: { readonly ignore?: boolean } = {},
): void {
  Deno.test({
    name,
    ignore: chromiumPath === null || ignore,
    sanitizeOps: false, // the browser's pipes stay open between tests
    sanitizeResources: false,
    fn,
  });
}
