import assert from "node:assert/strict";
import { repositoryRoot, spawn, temporaryFolder } from "../support/spawn.ts";

const linux = Deno.build.os === "linux";
const version = "2.9.6";

/** A folder with the start script, an entry point that prints its arguments, and programs that stand in for real ones. */
function fakeCheckout(path: string): { script: string; programs: string } {
  Deno.copyFileSync(`${repositoryRoot}/spark3d`, `${path}/spark3d`);
  Deno.chmodSync(`${path}/spark3d`, 0o755);
  Deno.copyFileSync(`${repositoryRoot}/deno.json`, `${path}/deno.json`);
  Deno.mkdirSync(`${path}/cli`);
  Deno.writeTextFileSync(
    `${path}/cli/main.ts`,
    "console.log(JSON.stringify({ args: Deno.args, cwd: Deno.cwd(), deno: Deno.execPath() })); " +
      "if (Deno.args[0] === 'fail') Deno.exit(7);",
  );
  const programs = `${path}/programs`;
  Deno.mkdirSync(programs);
  for (
    const name of [
      "mkdir",
      "cat",
      "rm",
      "sleep",
      "uname",
      "readlink",
      "env",
      "ln",
      "chmod",
      "cut",
      "dirname",
      "grep",
      "kill",
    ]
  ) {
    const found = ["/bin", "/usr/bin"].map((folder) => `${folder}/${name}`).find((file) => {
      try {
        return Deno.statSync(file).isFile;
      } catch {
        return false;
      }
    });
    if (found) Deno.symlinkSync(found, `${programs}/${name}`);
  }
  return { script: `${path}/spark3d`, programs };
}

function program(path: string, body: string): void {
  Deno.writeTextFileSync(path, `#!/bin/sh\n${body}\n`);
  Deno.chmodSync(path, 0o755);
}

/** A stand-in for npm: puts a link to the running Deno where npm would install it, and counts its calls. */
function fakeNpm(programs: string): void {
  program(
    `${programs}/npm`,
    `echo "$*" >>"${programs}/npm.log"
sleep 1
while [ "$#" -gt 0 ]; do [ "$1" = --prefix ] && prefix=$2; shift; done
mkdir -p "$prefix/node_modules/.bin"
ln -sf "${Deno.execPath()}" "$prefix/node_modules/.bin/deno"`,
  );
}

const noDriver = {
  VK_DRIVER_FILES: "/dev/null",
  HOME: Deno.env.get("HOME") ?? "/",
  DENO_DIR: Deno.env.get("DENO_DIR") ?? "",
};
const environment = (programs: string, extra: Record<string, string> = {}) => {
  const env: Record<string, string> = { ...noDriver, PATH: programs, ...extra };
  if (env.DENO_DIR === "") delete env.DENO_DIR;
  return env;
};

Deno.test({
  name:
    "spark3d installs Deno from npm once, at the pinned version, and passes arguments and exit codes through",
  ignore: !linux || Deno.version.deno !== version,
  async fn() {
    using folder = temporaryFolder();
    const { script, programs } = fakeCheckout(folder.path);
    fakeNpm(programs);
    const options = { env: environment(programs), clearEnv: true, cwd: "/" };
    const first = await spawn(script, ["doctor", "a b", "--json"], options);
    assert.equal(first.code, 0, first.stderr);
    assert.deepEqual(JSON.parse(first.stdout).args, ["doctor", "a b", "--json"]);
    assert.equal(JSON.parse(first.stdout).cwd, "/");
    assert.match(first.stderr, /^spark3d: installing Deno 2\.9\.6 from npm into /);
    const second = await spawn(script, ["fail"], options);
    assert.deepEqual([second.code, second.stderr], [7, ""]);
    const calls = Deno.readTextFileSync(`${programs}/npm.log`).trim().split("\n");
    assert.equal(calls.length, 1);
    assert.match(calls[0], /deno@2\.9\.6$/);
  },
});

Deno.test({
  name: "two starts at the same time install once; the second waits",
  ignore: !linux || Deno.version.deno !== version,
  async fn() {
    using folder = temporaryFolder();
    const { script, programs } = fakeCheckout(folder.path);
    fakeNpm(programs);
    const options = { env: environment(programs), clearEnv: true };
    const both = await Promise.all([spawn(script, ["a"], options), spawn(script, ["b"], options)]);
    for (const { code, stderr } of both) assert.equal(code, 0, stderr);
    assert.equal(Deno.readTextFileSync(`${programs}/npm.log`).trim().split("\n").length, 1);
    assert.equal(both.filter(({ stderr }) => stderr.includes("waiting for another installation")).length, 1);
    assert.throws(() => Deno.statSync(`${folder.path}/.deno/lock`), Deno.errors.NotFound);
  },
});

Deno.test({
  name: "spark3d takes over the lock of an installation that died",
  ignore: !linux || Deno.version.deno !== version,
  async fn() {
    using folder = temporaryFolder();
    const { script, programs } = fakeCheckout(folder.path);
    fakeNpm(programs);
    const gone = await spawn("/bin/sh", ["-c", "echo $$"]);
    Deno.mkdirSync(`${folder.path}/.deno/lock`, { recursive: true });
    Deno.writeTextFileSync(`${folder.path}/.deno/lock/pid`, gone.stdout);
    const { code, stderr } = await spawn(script, ["a"], { env: environment(programs), clearEnv: true });
    assert.equal(code, 0, stderr);
  },
});

Deno.test({
  name: "without Deno, npm and the right to install, spark3d says what to do in one line",
  ignore: !linux,
  async fn() {
    using folder = temporaryFolder();
    const { script, programs } = fakeCheckout(folder.path);
    program(`${programs}/id`, "echo 1000");
    const { code, stdout, stderr } = await spawn(script, ["pretrain"], {
      env: environment(programs),
      clearEnv: true,
    });
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(
      stderr,
      /^spark3d: Deno 2\.9\.6 is missing, and so is npm to install it: install Deno [^\n]+ or npm [^\n]+\n$/,
    );
  },
});

Deno.test({
  name: "a failing npm is reported with the remedy",
  ignore: !linux,
  async fn() {
    using folder = temporaryFolder();
    const { script, programs } = fakeCheckout(folder.path);
    program(`${programs}/npm`, "echo 'npm: no network' >&2; exit 1");
    const { code, stderr } = await spawn(script, ["--help"], { env: environment(programs), clearEnv: true });
    assert.equal(code, 1);
    assert.match(stderr, /npm could not install deno@2\.9\.6: check the connection/);
  },
});

Deno.test({
  name: "a checkout that cannot take an installation is reported with the remedy",
  ignore: !linux,
  async fn() {
    using folder = temporaryFolder();
    const { script, programs } = fakeCheckout(folder.path);
    fakeNpm(programs);
    Deno.writeTextFileSync(`${folder.path}/.deno`, "a file where the folder would go");
    const { code, stderr } = await spawn(script, ["--help"], { env: environment(programs), clearEnv: true });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^spark3d: cannot write to [^\n]*\.deno: make the folder writable, or set DENO_BIN[^\n]*\n$/,
    );
  },
});

/** Whether this process may hide the installed drivers from a child, in a mount name space of the child's own. */
const mayHideDrivers = linux && Deno.uid() === 0 &&
  await spawn("unshare", ["-m", "mount", "-t", "tmpfs", "none", "/usr/share/vulkan"]).then(
    ({ code }) => code === 0,
    () => false,
  );

/** Runs the start script where /usr/share/vulkan is empty, with stand-ins for apt-get and id. */
async function startWithoutDriver(folder: string, command: string, user: number) {
  const { script, programs } = fakeCheckout(folder);
  program(`${programs}/apt-get`, `echo "$*" >>"${programs}/apt.log"`);
  program(`${programs}/id`, `echo ${user}`);
  const env: Record<string, string> = environment(`${programs}:/usr/bin:/bin`, { DENO_BIN: Deno.execPath() });
  delete env.VK_DRIVER_FILES;
  const shell = `mount -t tmpfs none /usr/share/vulkan && exec "${script}" ${command}`;
  const result = await spawn("unshare", ["-m", "sh", "-c", shell], { env, clearEnv: true });
  const apt = await Deno.readTextFile(`${programs}/apt.log`).catch(() => "");
  return { ...result, apt: apt.trim().split("\n").filter((line) => line !== "") };
}

Deno.test({
  name: "spark3d installs a Vulkan driver with apt-get as root, and only for commands that compute",
  ignore: !mayHideDrivers,
  async fn(t) {
    for (const command of ["pretrain", "finetune", "predict", "study", "tune", "test", "plan", "bench"]) {
      await t.step(command, async () => {
        using folder = temporaryFolder();
        const { code, stderr, apt } = await startWithoutDriver(folder.path, command, 0);
        assert.equal(code, 0, stderr);
        assert.deepEqual(apt, [
          "update -qq",
          "install -y -qq --no-install-recommends libvulkan1 mesa-vulkan-drivers",
        ]);
      });
    }
    for (
      const command of [
        "prepare",
        "doctor",
        "dashboard",
        "phantom",
        "plan-dataset",
        "evaluate",
        "--help",
        "'pretrain' --help",
        "pretrain --print-config",
      ]
    ) {
      await t.step(command, async () => {
        using folder = temporaryFolder();
        const { code, stderr, apt } = await startWithoutDriver(folder.path, command, 0);
        assert.deepEqual([code, stderr, apt], [0, "", []]);
      });
    }
  },
});

Deno.test({
  name: "without root, spark3d says how to get a Vulkan driver and goes on",
  ignore: !mayHideDrivers,
  async fn() {
    using folder = temporaryFolder();
    const { code, stderr, apt } = await startWithoutDriver(folder.path, "plan", 1000);
    assert.deepEqual([code, apt], [0, []]);
    assert.match(
      stderr,
      /^spark3d: no Vulkan driver found[^\n]*sudo apt-get install libvulkan1 mesa-vulkan-drivers\)\n$/,
    );
  },
});

Deno.test({
  name: "DENO_BIN is used as it is, and one that does not start is refused",
  ignore: !linux,
  async fn() {
    using folder = temporaryFolder();
    const { script, programs } = fakeCheckout(folder.path);
    const options = { env: environment(programs, { DENO_BIN: Deno.execPath() }), clearEnv: true };
    const good = await spawn(script, ["x"], options);
    assert.equal(good.code, 0, good.stderr);
    const bad = await spawn(script, ["x"], { ...options, env: { ...options.env, DENO_BIN: "/dev/null" } });
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /^spark3d: DENO_BIN is \/dev\/null, which does not start/);
  },
});

Deno.test({
  name: "spark3d works through symbolic links and from any folder",
  ignore: !linux,
  async fn() {
    using folder = temporaryFolder();
    Deno.mkdirSync(`${folder.path}/checkout`);
    Deno.mkdirSync(`${folder.path}/bin`);
    const { programs } = fakeCheckout(`${folder.path}/checkout`);
    Deno.symlinkSync("../checkout/spark3d", `${folder.path}/bin/first`);
    Deno.symlinkSync("first", `${folder.path}/bin/second`);
    const env = environment(`${programs}:${folder.path}/bin`, { DENO_BIN: Deno.execPath() });
    for (const command of [`${folder.path}/bin/second`, "second", "./bin/second"]) {
      const { code, stdout, stderr } = await spawn("/bin/sh", ["-c", `${command} x`], {
        env,
        clearEnv: true,
        cwd: folder.path,
      });
      assert.equal(code, 0, `${command}: ${stderr}`);
      assert.deepEqual(JSON.parse(stdout).args, ["x"]);
    }
  },
});

Deno.test({
  name: "spark3d is quiet and adds little when everything is there",
  ignore: !linux,
  async fn() {
    using folder = temporaryFolder();
    const { script } = fakeCheckout(folder.path);
    const env = { DENO_BIN: Deno.execPath() };
    const hasDriver = await Deno.stat("/usr/share/vulkan/icd.d").then(() => true, () => false);
    const direct = [
      "run",
      "--quiet",
      "--allow-all",
      "--config",
      `${folder.path}/deno.json`,
      `${folder.path}/cli/main.ts`,
    ];
    const overhead: number[] = [];
    for (let i = 0; i < 5; i++) {
      const wrapped = await spawn(script, [hasDriver ? "pretrain" : "doctor"], { env });
      assert.deepEqual([wrapped.code, wrapped.stderr], [0, ""]);
      overhead.push(wrapped.seconds - (await spawn(Deno.execPath(), direct)).seconds);
    }
    assert.ok(Math.min(...overhead) < 0.2, `overheads in s: ${overhead.join(", ")}`);
  },
});
