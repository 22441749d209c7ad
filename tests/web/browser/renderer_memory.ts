import type { Browser } from "../deps.ts";

/**
 * Memory that the largest page process of a browser holds, MiB: `private` memory, which no other process shares, and `resident`, with
 * its share of the browser's own code. Linux only.
 */
export async function rendererMemory(browser: Browser): Promise<{ private: number; resident: number }> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  const sizes = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => {
    const rollup = Deno.readTextFileSync(`/proc/${id}/smaps_rollup`);
    const mib = (name: string) => Number(rollup.match(new RegExp(`^${name}: +(\\d+) kB`, "m"))![1]) / 1024;
    return { private: mib("Private_Clean") + mib("Private_Dirty"), resident: mib("Pss") };
  });
  return sizes.reduce((most, size) => size.resident > most.resident ? size : most);
}
