import { fileURLToPath } from "node:url";

/** Path of a `file:` URL, without a closing slash. */
export function fromFileUrl(url: URL): string {
  return fileURLToPath(url).replace(/[/\\]$/, "");
}
