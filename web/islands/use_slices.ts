import type { SliceIndex } from "../api.ts";
import { useEffect, useRef, useState } from "./deps.ts";
import { decodeOriginals, decodeOutputs, type SliceOriginals, type SliceOutputs } from "./slices.ts";

/** Reconstructions kept in memory: as many as one plays back and forth without fetching again. */
const MAX_KEPT = 64;

/** Files of one run that the browser has decoded. */
class SliceFiles {
  readonly #kept = new Map<string, SliceOutputs>();
  #originals: SliceOriginals | null = null;

  constructor(readonly run: string) {}

  async originals(file: string): Promise<SliceOriginals> {
    return this.#originals ??= decodeOriginals(await this.#bytes(file), file);
  }

  async outputs(file: string): Promise<SliceOutputs> {
    const found = this.#kept.get(file) ?? decodeOutputs(await this.#bytes(file), file);
    this.#kept.delete(file); // the newest are last
    this.#kept.set(file, found);
    if (this.#kept.size > MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    return found;
  }

  async #bytes(file: string): Promise<Uint8Array<ArrayBuffer>> {
    const query = new URLSearchParams({ run: this.run, file });
    const response = await fetch(`/api/slices/file?${query}`);
    if (!response.ok) {
      throw new Error(`Cannot load ${file}: the server answered ${response.status}: reload the page`);
    }
    return new Uint8Array(await response.arrayBuffer());
  }
}

/** What a page about slices knows so far. */
export interface LoadedSlices {
  readonly originals: SliceOriginals | null;
  /** Of the step asked for, or while that is being fetched, of the one before. */
  readonly outputs: SliceOutputs | null;
  /** Why something cannot be shown. */
  readonly error: string | null;
}

/** Loads the fixed patches of a run and the outputs at `position` of its history. */
export function useSlices(index: SliceIndex, position: number): LoadedSlices {
  const files = useRef<SliceFiles | null>(null);
  files.current ??= new SliceFiles(index.run);
  const [originals, setOriginals] = useState<SliceOriginals | null>(null);
  const [outputs, setOutputs] = useState<SliceOutputs | null>(null);
  const [error, setError] = useState<string | null>(null);
  const file = index.steps[position]?.file;
  const load = <T>(loading: Promise<T>, done: (value: T) => void) => {
    let current = true;
    loading.then(
      (value) => {
        if (!current) return;
        setError(null);
        done(value);
      },
      (cause) => current && setError((cause as Error).message),
    );
    return () => {
      current = false;
    };
  };
  useEffect(() => {
    if (index.reference !== null) return load(files.current!.originals(index.reference), setOriginals);
  }, [index.reference]);
  useEffect(() => {
    if (file !== undefined) return load(files.current!.outputs(file), setOutputs);
  }, [file]);
  return { originals, outputs, error };
}
