import { statfs } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import { dirname, exists, resolve } from "./paths.ts";

/** What a machine offers, apart from its adapters. Sizes in bytes. */
export interface MachineFacts {
  readonly system: string;
  readonly deno: string;
  readonly cpu: string;
  readonly threads: number;
  readonly memoryBytes: number;
  readonly freeMemoryBytes: number;
  readonly freeDiskBytes: number | null;
  readonly vulkanLoader: string | null;
  readonly vulkanDrivers: readonly string[];
}

/** Reads what this machine offers; `folder` is where results would go. */
export async function readMachineFacts(folder: string): Promise<MachineFacts> {
  const memory = Deno.systemMemoryInfo();
  return {
    system: `${Deno.build.os} ${Deno.build.arch}`,
    deno: Deno.version.deno,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    threads: availableParallelism(),
    memoryBytes: memory.total,
    freeMemoryBytes: memory.available,
    freeDiskBytes: await freeDisk(resolve(folder)),
    vulkanLoader: await findVulkanLoader(),
    vulkanDrivers: await findVulkanDrivers(),
  };
}

/** Free bytes of the file system that holds `path`, or would hold it; null when nobody says. */
async function freeDisk(path: string): Promise<number | null> {
  for (let folder = path;; folder = dirname(folder)) {
    try {
      const facts = await statfs(folder);
      return facts.bavail * facts.bsize;
    } catch {
      if (dirname(folder) === folder) return null;
    }
  }
}

/** The system's Vulkan loader; browsers bring one of their own in other folders, which nobody else loads. */
async function findVulkanLoader(): Promise<string | null> {
  for (const folder of ["/usr/lib", "/usr/lib64", "/usr/local/lib"]) {
    const subfolders = await Array.fromAsync(await readable(folder));
    for (
      const path of [
        folder,
        ...subfolders.filter((e) => e.isDirectory && e.name.includes("-linux-")).map((e) =>
          `${folder}/${e.name}`
        ),
      ]
    ) {
      if (await exists(`${path}/libvulkan.so.1`)) return `${path}/libvulkan.so.1`;
    }
  }
  return null;
}

/** Driver manifests that the Vulkan loader will look at. */
async function findVulkanDrivers(): Promise<string[]> {
  const chosen = Deno.env.get("VK_DRIVER_FILES") ?? Deno.env.get("VK_ICD_FILENAMES");
  if (chosen) return chosen.split(":");
  const found: string[] = [];
  for (const folder of ["/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/usr/share/vulkan/icd.d"]) {
    for await (const entry of await readable(folder)) {
      if (entry.name.endsWith(".json")) found.push(`${folder}/${entry.name}`);
    }
  }
  return found.sort();
}

/** Entries of a folder; none when it cannot be read. */
async function readable(folder: string): Promise<AsyncIterable<Deno.DirEntry>> {
  try {
    await Deno.stat(folder);
    return Deno.readDir(folder);
  } catch {
    return (async function* (): AsyncGenerator<Deno.DirEntry> {})();
  }
}
