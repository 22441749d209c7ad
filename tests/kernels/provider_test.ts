import assert from "node:assert/strict";
import { DAWN_MODULE } from "../../kernels/deps.ts";
import { adapterChoice, loadDawn, webgpuFor } from "../../kernels/runtime/provider.ts";
import { repositoryRoot } from "../support/spawn.ts";
import { deviceError } from "../support/small_graph.ts";

/** A module with this text. */
const moduleOf = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`;

Deno.test("an adapter is chosen by name, and a wrong name is told with the right ones", () => {
  assert.equal(adapterChoice("auto"), "auto");
  assert.equal(adapterChoice("dawn"), "dawn");
  assert.throws(
    () => adapterChoice("vulkan"),
    deviceError(
      'Cannot open a GPU: found adapter name "vulkan", wanted one of auto, high, low, software, dawn',
      "unknown-adapter",
    ),
  );
});

Deno.test("every choice but Dawn is the runtime's own WebGPU", async () => {
  for (const name of ["auto", "high", "low", "software"] as const) {
    assert.equal(await webgpuFor(name), navigator.gpu);
  }
});

Deno.test("loadDawn() makes an implementation without options", async () => {
  const gpu = await loadDawn(moduleOf("export const create = (options) => ({ options });"));
  assert.deepEqual(gpu, { options: [] });
});

Deno.test("loadDawn() says what to do when the module is missing or its library does not run", async () => {
  const remedy =
    "wanted .* --allow-ffi and, the first time, .*: it is optional, any other adapter works without it$";
  await assert.rejects(
    loadDawn("data:text/javascript,nonsense("),
    deviceError(new RegExp(`^Cannot load Dawn \\(data:.*\\): found ".+", ${remedy}`), "no-dawn"),
  );
  await assert.rejects(
    loadDawn(moduleOf("export function create() { throw new Error('libc\\n is too old'); }")),
    deviceError(new RegExp(`: found "libc is too old", ${remedy}`), "no-dawn"),
  );
});

Deno.test("Dawn is pinned, and not in deno.lock, whose packages are fetched at every first start", async () => {
  assert.match(DAWN_MODULE, /^npm:webgpu@\d+\.\d+\.\d+$/);
  const lock = JSON.parse(await Deno.readTextFile(`${repositoryRoot}/deno.lock`));
  assert.deepEqual(Object.keys(lock.specifiers).filter((name) => name.startsWith("npm:webgpu")), []);
});
