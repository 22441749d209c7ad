import assert from "node:assert/strict";
import type { BrowserContext, Page } from "../deps.ts";

/** What went wrong in the pages of a context, and what they fetched. */
export interface PageWatch {
  /** Errors and warnings of the console, uncaught exceptions, policy violations, requests elsewhere, answers of 500 and above. */
  readonly problems: readonly string[];
  /** Path and compressed bytes of each script. */
  readonly scripts: ReadonlyMap<string, number>;
  /** Fails when there was any problem but those that `expected` matches, and forgets them. */
  assertClean(where: string, expected?: RegExp): void;
}

/** Watches every page of a context, from its first request. `origin` is the dashboard's. */
export async function watchPages(context: BrowserContext, origin: string): Promise<PageWatch> {
  const problems: string[] = [], scripts = new Map<string, number>();
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(
        `policy violation: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`,
      );
    });
  });
  const watch = (page: Page) => {
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") {
        problems.push(`console ${message.type()}: ${message.text()} (${message.location().url})`);
      }
    });
    page.on("pageerror", (error) => problems.push(`uncaught: ${error.stack ?? error.message}`));
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.origin !== origin && !["data:", "blob:"].includes(url.protocol)) {
        problems.push(`request elsewhere: ${request.url()}`);
      }
    });
    page.on("response", (response) => {
      if (response.status() >= 500) problems.push(`status ${response.status()}: ${response.url()}`);
      const bytes = Number(response.headers()["content-length"]);
      if (response.request().resourceType() === "script" && bytes > 0) {
        scripts.set(new URL(response.url()).pathname, bytes);
      }
    });
  };
  context.on("page", watch);
  return {
    problems,
    scripts,
    assertClean(where, expected) {
      const found = problems.splice(0).filter((problem) => !expected?.test(problem));
      assert.deepEqual(found, [], `${where}: nothing may go wrong in the browser`);
    },
  };
}
