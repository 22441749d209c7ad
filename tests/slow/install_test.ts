import assert from "node:assert/strict";
import { repositoryRoot, spawn, temporaryFolder } from "../support/spawn.ts";

const npm = await spawn("/bin/sh", ["-c", "command -v npm && command -v git"]);
if (npm.code !== 0) console.log("skipped: installing Deno from npm needs npm and git");

Deno.test({
  name: "a fresh clone on a machine without Deno installs it from npm and runs",
  ignore: npm.code !== 0 || Deno.build.os !== "linux",
  async fn() {
    using folder = temporaryFolder();
    const clone = `${folder.path}/spark3d`;
    const cloned = await spawn("git", ["clone", "--quiet", "--depth=1", `file://${repositoryRoot}`, clone]);
    assert.equal(cloned.code, 0, cloned.stderr);
    // Everything but Deno: a PATH of links to all programs of this machine except deno.
    const programs = `${folder.path}/programs`;
    await Deno.mkdir(programs);
    for (const path of (Deno.env.get("PATH") ?? "").split(":")) {
      for (const { name } of await Array.fromAsync(Deno.readDir(path)).catch(() => [])) {
        if (name !== "deno") await Deno.symlink(`${path}/${name}`, `${programs}/${name}`).catch(() => {});
      }
    }
    const env = { PATH: programs, DENO_BIN: "" };
    const first = await spawn(`${clone}/spark3d`, ["doctor", "--json"], { env });
    assert.match(first.stderr, /^spark3d: installing Deno 2\.9\.6 from npm into /);
    const facts = JSON.parse(first.stdout);
    assert.equal(facts.machine.deno, "2.9.6");
    const second = await spawn(`${clone}/spark3d`, ["--version"], { env });
    assert.deepEqual([second.code, second.stderr], [0, ""]);
    assert.ok(second.seconds < 5, `took ${second.seconds} s`);
  },
});
