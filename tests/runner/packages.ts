import { runProcess } from "./process.ts";

/** A Debian package that checks use, and how to see that it is there. */
export interface CheckPackage {
  readonly name: string;
  readonly probe: readonly string[];
}

/** What the checks in a browser use. */
export const browserPackages: readonly CheckPackage[] = [
  { name: "chromium", probe: ["chromium", "--version"] },
];

/** What the long checks use. */
export const slowPackages: readonly CheckPackage[] = [
  ...browserPackages,
  { name: "python3-nibabel", probe: ["python3", "-c", "import nibabel"] },
  { name: "python3-torch", probe: ["python3", "-c", "import torch"] },
];

async function works(command: readonly string[]): Promise<boolean> {
  try {
    const [program, ...args] = command;
    const options = { args, stdin: "null", stdout: "null", stderr: "null" } as const;
    return (await new Deno.Command(program, options).output()).success;
  } catch {
    return false;
  }
}

/** Installs missing packages with apt-get, as root; otherwise says what is missing. Checks that need them skip then. */
export async function installPackages(
  packages: readonly CheckPackage[],
  log: (line: string) => void,
): Promise<void> {
  const missing: string[] = [];
  for (const { name, probe } of packages) if (!await works(probe)) missing.push(name);
  if (missing.length === 0) return;
  const names = missing.join(" ");
  if (Deno.uid() !== 0 || !await works(["apt-get", "--version"])) {
    log(`checks that need ${names} are skipped (Debian, Ubuntu: sudo apt-get install ${names})`);
    return;
  }
  log(`installing ${names} with apt-get`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await runProcess("apt-get", ["update", "-qq"], { log, env });
  const args = ["install", "-y", "-qq", "--no-install-recommends", ...missing];
  const { code } = await runProcess("apt-get", args, { log, env });
  if (code !== 0) log(`apt-get could not install ${names}: checks that need them are skipped`);
}
