import type { LiveMessage } from "../api.ts";
import { useEffect, useRef } from "./deps.ts";

type Listener = (message: LiveMessage) => void;
/** One stream for all islands that watch the same runs, since browsers open few connections to a server. */
const streams = new Map<string, { readonly listeners: Set<Listener>; close(): void }>();
const kinds: readonly LiveMessage["type"][] = ["hello", "runs", "info", "series", "events", "notes", "reset"];
const RETRY_MS = 3000;

function open(address: string): { readonly listeners: Set<Listener>; close(): void } {
  const listeners = new Set<Listener>();
  let source: EventSource, timer: ReturnType<typeof setTimeout> | undefined;
  const connect = () => {
    source = new EventSource(address);
    for (const kind of kinds) {
      source.addEventListener(kind, (event) => {
        document.documentElement.dataset.live = "on";
        const message: LiveMessage = JSON.parse(event.data);
        for (const listener of [...listeners]) listener(message);
      });
    }
    source.onerror = () => {
      document.documentElement.dataset.live = "off";
      // the browser tries again by itself unless the server refused
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(connect, RETRY_MS);
    };
  };
  connect();
  return {
    listeners,
    close: () => {
      clearTimeout(timer);
      source.close();
    },
  };
}

/** Listens to what happens to `runs`, or to the run list when there are none, while the component is on the page. */
export function useLive(runs: readonly string[], listener: Listener): void {
  const latest = useRef(listener);
  latest.current = listener;
  const query = runs.map((run) => `run=${encodeURIComponent(run)}`).join("&");
  useEffect(() => {
    const address = `/api/live?${query}`;
    const stream = streams.get(address) ?? open(address);
    streams.set(address, stream);
    const listen: Listener = (message) => latest.current(message);
    stream.listeners.add(listen);
    return () => {
      stream.listeners.delete(listen);
      if (stream.listeners.size > 0) return;
      stream.close();
      streams.delete(address);
    };
  }, [query]);
}
