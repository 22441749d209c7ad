/** Makes libraries that ask for an adapter themselves get the one that is measured. */
import { type AdapterChoice, adapterFacts, requestAdapter } from "../../kernels/runtime/device.ts";

/**
 * Runs `open` while every request for an adapter is answered with the chosen one, whatever the library prefers.
 *
 * @returns what `open` returns, and the names of the adapters that it asked for
 */
export async function withAdapter<T>(
  choice: AdapterChoice,
  open: () => Promise<T>,
): Promise<{ readonly opened: T; readonly adapters: readonly string[] }> {
  const adapters: string[] = [];
  const gpu = navigator.gpu;
  const original = Object.getPrototypeOf(gpu)
    .requestAdapter as GPU["requestAdapter"];
  const own: Pick<GPU, "requestAdapter"> = {
    requestAdapter: (options) => original.call(gpu, options),
  };
  Object.defineProperty(gpu, "requestAdapter", {
    configurable: true,
    value: async () => {
      const adapter = await requestAdapter({
        adapter: choice,
        gpu: own as GPU,
      });
      adapters.push(adapterFacts(adapter).adapter);
      return adapter;
    },
  });
  try {
    return { opened: await open(), adapters };
  } finally {
    Reflect.deleteProperty(gpu, "requestAdapter");
  }
}
