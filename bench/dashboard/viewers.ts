/** People who watch a run: `viewers.ts URL RUN COUNT`. Lines on stdin open and close their pages; a line of JSON on stdout counts what came. */
import { setPriority } from "node:os";

/** Curves that the page of a pre-training fetches when it opens. */
const CURVES = ["loss", "valLoss", "lr", "gradNorm", "lossScale", "skipped", "maskRatio", "stepMs"]
  .concat("voxelsPerSecond", "flopPerSecond", "dataWaitMs", "validationMs", "checkpointMs", "queueDepth");

/** Opens the page of a run like a browser. @returns what the dashboard tells from then on */
async function openPage(origin: string, run: string, signal: AbortSignal): Promise<ReadableStream<string>> {
  const query = `run=${encodeURIComponent(run)}`;
  const get = async (path: string) => {
    const response = await fetch(origin + path, { signal });
    if (!response.ok) throw new Error(`The dashboard answered ${response.status} to ${path}`);
    return response;
  };
  await (await get(`/run/${encodeURIComponent(run)}`)).text();
  const live = await get(`/api/live?${query}`);
  await (await get(`/api/series?${query}${CURVES.map((name) => `&name=${name}`).join("")}`)).json();
  return live.body!.pipeThrough(new TextDecoderStream());
}

/** Takes new points of curves until the signal. @returns number of messages with some */
async function watch(live: ReadableStream<string>, signal: AbortSignal): Promise<number> {
  let messages = 0;
  try {
    for await (const text of live) messages += text.split("event: series").length - 1;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return messages;
}

if (import.meta.main) {
  const [origin, run, count] = Deno.args;
  setPriority(0, 10); // in real life they sit at other machines
  let close = new AbortController(), watching: Promise<number>[] = [];
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    for (const line of text.trim().split("\n")) {
      if (line === "open") {
        const { signal } = close = new AbortController();
        const pages = await Promise.all(
          Array.from({ length: Number(count) }, () => openPage(origin, run, signal)),
        );
        watching = pages.map((live) => watch(live, signal));
        console.log(JSON.stringify({ opened: pages.length }));
      } else {
        close.abort();
        console.log(JSON.stringify({ messages: Math.min(...await Promise.all(watching)) }));
      }
    }
  }
}
