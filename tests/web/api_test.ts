import assert from "node:assert/strict";
import { openLongRun, withDashboard, withFolder, writeLongRun, writeRun } from "./run_folders.ts";

const post = (body: unknown): RequestInit => ({
  method: "POST",
  body: JSON.stringify(body),
  headers: { "content-type": "application/json", origin: "http://127.0.0.1:8765", host: "127.0.0.1:8765" },
});

Deno.test("the API answers with JSON, and says what is wrong with a question", () =>
  withFolder(async (root) => {
    await writeRun(`${root}/first`, { metrics: { loss: [1, 2] } });
    await writeRun(`${root}/damaged`);
    await Deno.writeTextFile(`${root}/damaged/run.sqlite`, "no database ".repeat(1000));
    await withDashboard(root, async (ask) => {
      for (
        const path of [
          "runs",
          "run?run=first",
          "series?run=first&name=loss",
          "events?run=first&after=0",
          "compare?run=first&run=damaged",
          "slices?run=first",
          "volumes?run=first",
          "run?run=damaged",
        ]
      ) {
        const response = await ask(`/api/${path}`);
        assert.deepEqual(
          [response.status, response.headers.get("content-type")],
          [200, "application/json"],
          path,
        );
        await response.json();
      }
      const wrong: readonly (readonly [string, number, RegExp])[] = [
        ["run", 400, /0 values of run/],
        ["run?run=none", 404, /Cannot find run "none"/],
        ["run?run=..", 404, /Cannot find run/],
        ["run?run=first&run=damaged", 400, /2 values of run/],
        ["series?run=first", 400, /0 values of name/],
        ["series?run=first&name=loss&points=0", 400, /from 1 to 10000/],
        ["series?run=first&name=loss&from=-1", 400, /from=-1/],
        ["series?run=first&name=loss&to=1e9", 400, /to=1e9/],
        ["series?run=damaged&name=loss", 409, /not a database/],
        ["events?run=damaged", 409, /not a database/],
        ["series.csv?run=damaged&name=loss", 409, /not a database/],
        ["live?run=none", 404, /Cannot find run/],
        ["none", 404, /./],
      ];
      for (const [path, status, text] of wrong) {
        const response = await ask(`/api/${path}`);
        assert.equal(response.status, status, path);
        assert.match((await response.json()).error, text);
      }
      const csv = await ask("/api/series.csv?run=first&name=loss");
      assert.equal(await csv.text(), "step,loss\r\n0,1\r\n1,2\r\n");
      assert.equal(csv.headers.get("content-disposition"), 'attachment; filename="first_loss.csv"');
    });
  }));

Deno.test("the API serves the files of a run that pages need, and no others", () =>
  withFolder(async (parent) => {
    const root = `${parent}/runs`;
    await writeRun(`${root}/first`);
    await Deno.writeTextFile(`${parent}/secret.nii.gz`, "secret");
    await Deno.mkdir(`${root}/first/pictures`);
    await Deno.mkdir(`${root}/first/validation`);
    await Deno.mkdir(`${root}/first/folder.nii.gz`);
    const files = ["plan.txt", "pictures/step_00000010.png", "validation/a.nii.gz", "report.html"];
    for (const file of files) await Deno.writeTextFile(`${root}/first/${file}`, file);
    await Deno.symlink(`${parent}/secret.nii.gz`, `${root}/first/validation/link.nii.gz`);
    await Deno.symlink(`${root}/first/plan.txt`, `${root}/first/validation/inner.nii.gz`);
    await withDashboard(root, async (ask) => {
      const file = (name: string, init?: RequestInit) =>
        ask(`/api/file?run=first&file=${encodeURIComponent(name)}`, init);
      for (const name of files.slice(0, 3)) assert.equal(await (await file(name)).text(), name);
      assert.equal(await (await file("validation/inner.nii.gz")).text(), "plan.txt");
      for (
        const name of [
          "run.sqlite",
          "",
          "../../secret.nii.gz",
          "validation/../plan.txt",
          "/etc/passwd",
          "validation/link.nii.gz",
          "folder.nii.gz",
          "validation/none.nii.gz",
          "report.html",
          "plan.txt\0",
        ]
      ) {
        const response = await file(name);
        assert.equal(response.status, 404, name);
        await response.body?.cancel();
      }
      const first = await file("plan.txt");
      await first.body?.cancel();
      const again = await file("plan.txt", { headers: { "if-none-match": first.headers.get("etag")! } });
      assert.deepEqual([again.status, await again.text()], [304, ""]);
      const report = await ask("/api/report?report=first");
      assert.equal(await report.text(), "report.html");
      assert.match(report.headers.get("content-security-policy")!, /default-src 'none';.*sandbox/);
      assert.equal((await ask("/api/report?report=..")).status, 404);
    });
  }));

Deno.test("POST /api/control leaves requests in the folder of a run that takes them, where that is allowed", () =>
  withFolder(async (root) => {
    await writeRun(`${root}/first`);
    const control = `${root}/first/control`;
    await withDashboard(root, async (ask) => {
      assert.equal((await ask("/api/control", post({ run: "first", action: "stop" }))).status, 403);
    });
    await withDashboard(root, async (ask) => {
      const send = async (body: unknown) => {
        const response = await ask("/api/control", post(body));
        const { message, error } = await response.json();
        return [response.status, message ?? error] as const;
      };
      const [status, message] = await send({ run: "first", action: "stop" });
      assert.equal(status, 409);
      assert.match(message, /--allow-control/);
      await Deno.mkdir(control);
      for (const action of ["stop", "checkpoint"]) {
        assert.equal((await send({ run: "first", action }))[0], 200);
        assert.ok(
          Math.abs(JSON.parse(await Deno.readTextFile(`${control}/${action}.json`)).time - Date.now()) <
            60_000,
        );
      }
      assert.deepEqual([...Deno.readDirSync(control)].map(({ name }) => name).sort(), [
        "checkpoint.json",
        "stop.json",
      ]);
      assert.equal((await send({ run: "first", action: "note", text: "looks good" }))[0], 200);
      assert.deepEqual(
        (await (await ask("/api/run?run=first")).json()).notes.map((note: { text: string }) => note.text),
        [
          "looks good",
        ],
      );
      for (const body of [null, 5, [], {}, { run: 1 }, { run: "first" }, { run: "first", action: "note" }]) {
        assert.equal((await send(body))[0], 400, JSON.stringify(body));
      }
      assert.equal((await send({ run: "..", action: "stop" }))[0], 404);
      await Deno.remove(control, { recursive: true });
      await Deno.mkdir(`${root}/elsewhere`);
      await Deno.symlink(root, control);
      assert.equal((await send({ run: "first", action: "stop" }))[0], 409);
    }, { allowControl: true });
  }));

Deno.test("a run of 100,000 metric rows is there in well under a second", () =>
  withFolder(async (root) => {
    await writeLongRun(`${root}/long`, 10_000);
    const times = [];
    while (times.length < 3) times.push(await openLongRun(root, "long", 10_000));
    assert.ok(Math.min(...times) < 1000, `${times} ms`);
  }));
