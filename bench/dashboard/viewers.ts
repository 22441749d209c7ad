/** People who watch a run: `viewers.ts URL RUN COUNT`. Lines on stdin open and close their pages; a line of JSON on stdout counts what came. */
import { setPriority } from "node:os";

/** Curves that the page of a pre-training fetches when it opens. */
const CURVES = ["loss", "valLoss", "lr", "gradNorm", "lossScale", "skipped", "maskRatio", "stepMs"]
  .concat("voxelsPerSecond", "flopPerSecond", "dataWaitMs", "validationMs", "checkpointMs", "queueDepth");

/** Opens the page of a run like a browser. @returns what the dashboard tells from then on */
async function openPage(origin: string, run: string): Promise<ReadableStreamDefaultReader<string>> {
  const query = `run=${encodeURIComponent(run)}`;
  const get = async (path: string) => {
    const response = await fetch(origin + path);
    if (!response.ok) throw new Error(`The dashboard answered ${response.status} to ${path}`);
    return response;
  };
  await (await get(`/run/${encodeURIComponent(run)}`)).text();
  const live = await get(`/api/live?${query}`);
  await (await get(`/api/series?${query}${CURVES.map((name) => `&name=${name}`).join("")}`)).json();
  return live.body!.pipeThrough(new TextDecoderStream()).getReader();
}

/** Takes what comes until the page is closed. @returns number of messages with new points of curves */
async function watch(page: ReadableStreamDefaultReader<string>): Promise<number> {
  for (let messages = 0;;) {
    const { value, done } = await page.read();
    if (done) return messages;
    messages += value.split("event: series").length - 1;
  }
}

if (import.meta.main) {
  const [origin, run, count] = Deno.args;
  setPriority(0, 10); // in real life they sit at other machines
  let pages: ReadableStreamDefaultReader<string>[] = [], watching: Promise<number>[] = [];
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    for (const line of text.trim().split("\n")) {
      if (line === "open") {
        pages = await Promise.all(Array.from({ length: Number(count) }, () => openPage(origin, run)));
        watching = pages.map(watch);
        console.log(JSON.stringify({ opened: pages.length }));
      } else {
        for (const page of pages) page.cancel();
        console.log(JSON.stringify({ messages: Math.min(...await Promise.all(watching)) }));
      }
    }
  }
}
