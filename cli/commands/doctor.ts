import { DeviceError } from "../../kernels/errors.ts";
import { ADAPTER_CHOICES, type AdapterChoice } from "../../kernels/runtime/provider.ts";
import { adapterOption } from "../adapter.ts";
import { type AdapterFacts, readAdapterFacts } from "../adapter_facts.ts";
import type { CommandContext } from "../context.ts";
import { askDawn, type DawnFacts } from "../dawn.ts";
import { Command, type CommandUnknownOpts } from "../deps.ts";
import { type MachineFacts, readMachineFacts } from "../machine.ts";
import { jsonOption } from "../options.ts";
import { spark3dVersion, testedDenoVersion } from "../version.ts";

/** `spark3d doctor`: what this machine offers, what is missing, and how to get it. */
export function doctorCommand(context: CommandContext): CommandUnknownOpts {
  return new Command()
    .description(
      "Prints what Spark3D finds on this machine (Deno, GPU adapters with features and limits, Vulkan driver, Dawn, " +
        "memory, disk) and what is missing. Exit code 1 when there is no adapter. --adapter dawn fetches Dawn if need be.",
    )
    .addOption(adapterOption())
    .addOption(jsonOption())
    .action(async (options) => {
      const machine = await readMachineFacts(".");
      const request = options.adapter;
      const { adapter: ofDawn, ...dawn } = await askDawn({ fetch: request === "dawn" });
      const names = [request, ...ADAPTER_CHOICES.filter((name) => name !== request)];
      const answers = await Promise.all(
        names.map((name) => name === "dawn" ? ofDawn : readAdapterFacts(name)),
      );
      const adapters = distinct(answers.filter(isFound));
      const usable = isFound(answers[0]);
      const missing = findMissing(machine, request, usable, dawn);
      context.exitCode = usable ? 0 : 1;
      context.output.result(
        { spark3d: spark3dVersion, machine, dawn, adapters, missing, usable },
        report(machine, dawn, adapters, missing),
      );
    }) as unknown as CommandUnknownOpts;
}

function isFound(answer: AdapterFacts | DeviceError | null): answer is AdapterFacts {
  return answer !== null && !(answer instanceof DeviceError);
}

/** The same adapter answers several requests: keep the first answer. */
function distinct(adapters: readonly AdapterFacts[]): AdapterFacts[] {
  const seen = new Map<string, AdapterFacts>();
  for (const facts of adapters) {
    const key = JSON.stringify([
      facts.request === "dawn",
      facts.vendor,
      facts.device,
      facts.description,
      facts.limits,
    ]);
    if (!seen.has(key)) seen.set(key, facts);
  }
  return [...seen.values()];
}

function findMissing(
  machine: MachineFacts,
  request: AdapterChoice,
  usable: boolean,
  dawn: Omit<DawnFacts, "adapter">,
): string[] {
  const missing: string[] = [];
  if (machine.deno !== testedDenoVersion) {
    missing.push(
      `Deno ${testedDenoVersion} (found ${machine.deno}): start with ./spark3d, which installs it`,
    );
  }
  if (usable && request === "dawn") return missing;
  if (request === "dawn" && !dawn.installed) return [...missing, dawn.problem!];
  if (machine.system.startsWith("linux")) { // an adapter without them is OpenGL's
    if (machine.vulkanLoader === null) {
      missing.push("Vulkan loader libvulkan.so.1: sudo apt-get install libvulkan1 (Debian, Ubuntu)");
    }
    if (machine.vulkanDrivers.length === 0) {
      missing.push(
        "Vulkan driver: install the GPU vendor's, or the software one: sudo apt-get install mesa-vulkan-drivers",
      );
    }
  }
  if (usable) return missing;
  missing.push(
    request === "auto"
      ? "WebGPU adapter: none answers; install a driver as above, or set VK_DRIVER_FILES to a driver's manifest"
      : `WebGPU adapter: none answers the request "${request}"; try --adapter auto`,
  );
  return missing;
}

const limitNames = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupsPerDimension",
  "minStorageBufferOffsetAlignment",
] as const;

function report(
  machine: MachineFacts,
  dawn: Omit<DawnFacts, "adapter">,
  adapters: readonly AdapterFacts[],
  missing: readonly string[],
): string {
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const rows: [string, string][] = [
    ["Spark3D", spark3dVersion],
    ["Deno", machine.deno],
    ["System", `${machine.system}, ${machine.threads} threads (${machine.cpu})`],
    ["Memory", `${gib(machine.memoryBytes)}, ${gib(machine.freeMemoryBytes)} available`],
    ["Disk", machine.freeDiskBytes === null ? "unknown" : `${gib(machine.freeDiskBytes)} free here`],
    ["Vulkan loader", machine.vulkanLoader ?? "not found"],
    ["Vulkan drivers", machine.vulkanDrivers.join(", ") || "not found"],
    ["Dawn", dawnRow(dawn, adapters)],
  ];
  for (const facts of adapters) {
    const name = [facts.description, facts.device, facts.vendor].find((text) => text && !/^\d+$/.test(text));
    rows.push(["Adapter", `${name ?? "unnamed"} (--adapter ${facts.request})`]);
    rows.push(["  features", facts.features.join(", ") || "none"]);
    for (const name of limitNames) {
      const value = facts.limits[name];
      if (value !== undefined) {
        rows.push([
          `  ${name}`,
          value >= 2 ** 20 ? `${value} (${(value / 2 ** 20).toFixed(0)} MiB)` : `${value}`,
        ]);
      }
    }
  }
  const width = Math.max(...rows.map(([label]) => label.length)) + 2;
  const lines = rows.map(([label, value]) => label.padEnd(width) + value);
  if (missing.length > 0) lines.push("", "Missing", ...missing.map((item) => `  ${item}`));
  else lines.push("", "Nothing is missing.");
  return lines.join("\n");
}

function dawnRow(dawn: Omit<DawnFacts, "adapter">, adapters: readonly AdapterFacts[]): string {
  if (!dawn.installed) return "not installed (optional): spark3d doctor --adapter dawn fetches it, 51 MB";
  return adapters.some(({ request }) => request === "dawn")
    ? dawn.module
    : `${dawn.module}, finds no adapter`;
}
