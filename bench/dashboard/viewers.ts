/** People who watch a run: `viewers.ts URL RUN COUNT`. Lines on stdin open and close their pages; a line of JSON on stdout counts what came. */
import { setPriority } from "node:os";

/** Curves that the page of a pre-training fetches when it opens. */
const CURVES = ["loss", "valLoss", "lr", "gradNorm", "lossScale", "skipped", "maskRatio", "stepMs"]
  .concat("voxelsPerSecond", "flopPerSecond", "dataWaitMs", "validationMs", "checkpointMs", "queueDepth");

/** Opens the page of a run like a browser, then takes what comes until the signal. @returns number of messages */
async function watch(origin: string, run: string, signal: AbortSignal): Promise<number> {
  const query = `run=${encodeURIComponent(run)}`;
  let messages = 0;
  try {
    const page = await fetch(`${origin}/run/${encodeURIComponent(run)}`, { signal });
    await page.text();
    const live = await fetch(`${origin}/api/live?${query}`, { signal });
    const curves = await fetch(
      `${origin}/api/series?${query}${CURVES.map((name) => `&name=${name}`).join("")}`,
      { signal },
    );
    await curves.json();
    if (!page.ok || !live.ok) throw new Error(`The dashboard answered ${page.status} and ${live.status}`);
    for await (const text of live.body!.pipeThrough(new TextDecoderStream())) {
      messages += text.split("event: ").length - 1;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return messages;
}

if (import.meta.main) {
  const [origin, run, count] = Deno.args;
  setPriority(0, 19); // in real life they sit at other machines
  let close = new AbortController(), open: Promise<number>[] = [];
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    for (const line of text.trim().split("\n")) {
      if (line === "open") {
        close = new AbortController();
        open = Array.from({ length: Number(count) }, () => watch(origin, run, close.signal));
      } else {
        close.abort();
        const messages = await Promise.all(open);
        console.log(JSON.stringify({ messages: Math.min(...messages) }));
      }
    }
  }
}
