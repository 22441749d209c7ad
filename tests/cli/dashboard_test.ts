import assert from "node:assert/strict";
import { dashboardAddress, dashboardUrls, isLocalHost, portNumber } from "../../cli/dashboard_address.ts";
import { repositoryRoot, spawnSpark3d, temporaryFolder } from "../support/spawn.ts";
import { startProcess } from "../web/running_process.ts";

Deno.test("dashboardAddress() reads host and port, and wants to be sure that it is one", () => {
  assert.deepEqual(dashboardAddress("8000"), { host: "127.0.0.1", port: 8000 });
  assert.deepEqual(dashboardAddress(":8000"), { host: "127.0.0.1", port: 8000 });
  assert.deepEqual(dashboardAddress("0.0.0.0:0"), { host: "0.0.0.0", port: 0 });
  assert.deepEqual(dashboardAddress("node-7.cluster:65535"), { host: "node-7.cluster", port: 65535 });
  assert.deepEqual(dashboardAddress("[::1]:80"), { host: "::1", port: 80 });
  for (
    const text of [
      "",
      "data",
      "Dataset004_Hippocampus",
      "localhost",
      "a:b",
      "::1:80",
      "h:65536",
      "h:-1",
      "h:1e3",
      "a b:1",
    ]
  ) {
    assert.throws(() => dashboardAddress(text), /Expected (HOST:PORT|a port)/, text);
  }
  assert.throws(() => portNumber("70000"), /from 0 to 65535/);
});

Deno.test("isLocalHost() knows what only this machine reaches", () => {
  for (const host of ["127.0.0.1", "127.1.2.3", "localhost", "::1"]) assert.ok(isLocalHost(host), host);
  for (
    const host of [
      "0.0.0.0",
      "::",
      "10.0.0.1",
      "127.0.0.1.example.org",
      "128.0.0.1",
      "localhost.example.org",
      "",
    ]
  ) {
    assert.ok(!isLocalHost(host), host);
  }
});

Deno.test("dashboardUrls() names this machine for every address", () => {
  assert.deepEqual(dashboardUrls({ host: "127.0.0.1", port: 1 }, "node7", null), ["http://127.0.0.1:1/"]);
  assert.deepEqual(dashboardUrls({ host: "::1", port: 2 }, "node7", null), ["http://[::1]:2/"]);
  assert.deepEqual(dashboardUrls({ host: "0.0.0.0", port: 3 }, "node7", "secret"), [
    "http://localhost:3/?token=secret",
    "http://node7:3/?token=secret",
  ]);
});

Deno.test("spark3d dashboard says what is wrong", async () => {
  using folder = temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/file`, "");
  const cases: readonly (readonly [string[], number, RegExp])[] = [
    [[], 1, /Cannot show the runs in runs: it does not exist/],
    [["file"], 1, /Cannot show the runs in file: it is a file/],
    [[".", "--port", "x"], 2, /port from 0 to 65535/],
    [
      [".", "--host", "192.0.2.1"],
      1,
      /Cannot listen on 192\.0\.2\.1:8765: .*choose another --host or --port/,
    ],
  ];
  for (const [args, code, text] of cases) {
    const ended = await spawnSpark3d(["dashboard", ...args], { cwd: folder.path });
    assert.equal(ended.code, code, ended.stderr);
    assert.match(ended.stderr, text);
    assert.equal(ended.stderr.trim().split("\n").length, 1, ended.stderr);
  }
});

/** A process that starts a dashboard as a run does, and then waits. */
async function startRun(folder: string, port: number) {
  await Deno.mkdir(`${folder}/runs/first`, { recursive: true });
  const script = `${folder}/run.ts`;
  await Deno.writeTextFile(
    script,
    `import { Output } from "${repositoryRoot}/cli/output.ts";
     import { startRunDashboard } from "${repositoryRoot}/cli/run_dashboard.ts";
     Deno.addSignalListener("SIGINT", () => {}); // a run saves first
     const address = { host: "127.0.0.1", port: ${port} };
     await using dashboard = startRunDashboard({ dashboard: address }, "${folder}/runs/first", new Output(false));
     await new Promise((resolve) => Deno.addSignalListener("SIGTERM", resolve));
     console.log("the run ends");`,
  );
  return startProcess([
    "run",
    "--quiet",
    "--allow-all",
    "--no-check",
    "--config",
    `${repositoryRoot}/deno.json`,
    script,
  ]);
}

/** Processes that a process has started, whichever of its threads did. */
async function childrenOf(pid: number): Promise<number[]> {
  const tasks = await Array.fromAsync(Deno.readDir(`/proc/${pid}/task`));
  const lists = await Promise.all(
    tasks.map(({ name }) => Deno.readTextFile(`/proc/${pid}/task/${name}/children`)),
  );
  return lists.join(" ").split(/\s+/).filter((text) => text !== "").map(Number);
}

/** Waits until nobody listens. @throws {AssertionError} after a while */
async function untilGone(url: string): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const found = await fetch(url).then((response) => response.body?.cancel(), () => "gone");
    if (found === "gone") return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`${url} is still there`);
}

const address = /http:\/\/127\.0\.0\.1:\d+\//;

Deno.test("the dashboard of a run takes a free port, ends with the run, and is not missed when it ends before", async (t) => {
  using folder = temporaryFolder();
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;

  await t.step("a port that is taken, and a run that ends", async () => {
    await using run = await startRun(folder.path, port);
    const url = await run.until(address);
    assert.match(run.output(), new RegExp(`port ${port} is taken, using ${new URL(url).port}`));
    assert.equal((await (await fetch(`${url}api/runs`)).json()).runs.length, 0);
    for (const pid of [run.pid, ...await childrenOf(run.pid)]) Deno.kill(pid, "SIGINT"); // Ctrl-C reaches everybody
    assert.equal(
      await fetch(url).then(async (page) => (await page.text(), page.status)),
      200,
      "watched until the run has saved",
    );
    run.kill("SIGTERM");
    await run.until(/the run ends/);
    assert.equal((await run.status).code, 0, run.output());
    assert.doesNotMatch(run.output(), /warning|error/i);
    await untilGone(url);
  });
  taken.close();

  await t.step("a run that is killed", async () => {
    await using run = await startRun(folder.path, 0);
    const url = await run.until(address);
    run.kill("SIGKILL");
    await untilGone(url);
  });

  await t.step("a dashboard that is killed", async () => {
    await using run = await startRun(folder.path, 0);
    await run.until(address);
    for (const pid of await childrenOf(run.pid)) Deno.kill(pid, "SIGKILL");
    await run.until(/warning: the dashboard ended with code \d+; training goes on/);
    run.kill("SIGTERM");
    await run.until(/the run ends/);
    assert.equal((await run.status).code, 0, run.output());
  });
});
