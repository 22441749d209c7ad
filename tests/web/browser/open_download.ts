import type { Page } from "../deps.ts";

/** Downloads a page and opens it from the disk, where it can reach nothing: as somebody would who got it by mail. */
export async function openDownload(page: Page, address: string): Promise<void> {
  const response = await page.request.get(address);
  if (!response.ok()) throw new Error(`Cannot download ${address}: the server answered ${response.status()}`);
  const path = Deno.makeTempFileSync({ suffix: ".html" });
  try {
    Deno.writeFileSync(path, await response.body());
    await page.goto(`file://${path}`);
  } finally {
    Deno.removeSync(path);
  }
}
