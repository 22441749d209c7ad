import { repositoryRoot } from "./spawn.ts";

/** Folder of real volumes beside the checkout (`SPARK3D_SHARED_DATA`, otherwise ../shared/data); null, after saying so, when absent. */
export const sharedData: string | null = await (async () => {
  const path = Deno.env.get("SPARK3D_SHARED_DATA") ?? `${repositoryRoot}/../shared/data`;
  const info = await Deno.stat(path).catch(() => null);
  if (info?.isDirectory) return await Deno.realPath(path);
  console.log(
    "Tests on real volumes are skipped: no ../shared/data beside the checkout and no SPARK3D_SHARED_DATA",
  );
  return null;
})();

/** Registers a test that needs the real volumes; `run` gets their folder. */
export function sharedDataTest(name: string, run: (folder: string) => Promise<void>): void {
  Deno.test({ name, ignore: sharedData === null, fn: () => run(sharedData!) });
}
