import { runProcess } from "./process.ts";

/** Debian packages that the long checks use, and how to see that they are there. */
const packages: readonly { readonly name: string; readonly probe: readonly string[] }[] = [
  { name: "python3-nibabel", probe: ["python3", "-c", "import nibabel"] },
  { name: "python3-torch", probe: ["python3", "-c", "import torch"] },
  { name: "chromium", probe: ["chromium", "--version"] },
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

/** Installs what the long checks need with apt-get, as root; otherwise says what is missing. The checks skip without it. */
export async function installSlowPackages(log: (line: string) => void): Promise<void> {
  const missing: string[] = [];
  for (const { name, probe } of packages) if (!await works(probe)) missing.push(name);
  if (missing.length === 0) return;
  if (Deno.uid() !== 0 || !await works(["apt-get", "--version"])) {
    log(
      `missing for the long checks: ${missing.join(", ")} (Debian, Ubuntu: sudo apt-get install ${
        missing.join(" ")
      })`,
    );
    return;
  }
  log(`installing ${missing.join(", ")} with apt-get`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await runProcess("apt-get", ["update", "-qq"], { log, env });
  const { code } = await runProcess("apt-get", [
    "install",
    "-y",
    "-qq",
    "--no-install-recommends",
    ...missing,
  ], { log, env });
  if (code !== 0) log(`apt-get could not install ${missing.join(", ")}: checks that need them are skipped`);
}
