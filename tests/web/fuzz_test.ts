import assert from "node:assert/strict";
import { folderDigest } from "../support/folder_digest.ts";
import { createDashboard } from "../../web/dashboard.ts";
import { serveDashboard } from "../../web/server.ts";
import { RequestMaker } from "./random_request.ts";
import { withFolder, writeRun } from "./run_folders.ts";

const DIRECT = 9000, OVER_SOCKET = 1000;
const secret = `secret ${crypto.randomUUID()}`;

/** Runs among files that nobody may read: beside them, above them, and behind symbolic links in them. */
async function makeTree(folder: string): Promise<string> {
  const root = `${folder}/runs`;
  await writeRun(`${root}/first`, { metrics: { loss: [3, 2, 1], lr: [1, 1, 1] } });
  await writeRun(`${root}/study/fold_0`, { metrics: { loss: [3, 2, 1] } });
  await writeRun(`${folder}/outside`, { config: { seed: 1, note: secret } });
  await Deno.writeTextFile(`${folder}/secret.txt`, secret);
  for (
    const name of ["outside/plan.txt", "outside/report.html", "outside/step_00000001.png", "outside/a.nii.gz"]
  ) {
    await Deno.writeTextFile(`${folder}/${name}`, secret);
  }
  await Deno.mkdir(`${root}/first/checkpoints`);
  for (
    const name of ["checkpoints/latest.safetensors", ".env", "inputs.json", "weights.bin", "plan.txt.tmp"]
  ) {
    await Deno.writeTextFile(`${root}/first/${name}`, secret);
  }
  await Deno.symlink(`${folder}/secret.txt`, `${root}/first/plan.txt`);
  await Deno.symlink("../../outside/plan.txt", `${root}/first/plan.json`);
  await Deno.symlink(`${folder}/outside`, `${root}/first/pictures`);
  await Deno.symlink("../../../outside", `${root}/study/fold_0/slices`);
  await Deno.symlink(`${folder}/outside`, `${root}/linked`);
  await Deno.symlink("..", `${root}/above`);
  await Deno.symlink("/", `${root}/everything`);
  await Deno.symlink("here", `${root}/here`);
  return root;
}

/** The start of an answer; a stream that goes on for ever is cut off. */
async function textOf(response: Response): Promise<string> {
  if (response.body === null) return "";
  if (response.headers.get("content-type") !== "text/event-stream") return await response.text();
  const reader = response.body.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  return new TextDecoder().decode(value);
}

Deno.test(`a dashboard survives ${DIRECT} random and malicious requests and shows nothing but runs`, () =>
  withFolder(async (folder) => {
    const root = await makeTree(folder);
    const outside = await folderDigest(`${folder}/outside`);
    const counts = new Map<number, number>();
    const errors: unknown[] = [];
    const { error } = console;
    console.error = (...parts: unknown[]) => void errors.push(parts);
    const options = { roots: [root], version: "1" };
    const open = await createDashboard({ ...options, token: null, allowControl: true });
    const guarded = await createDashboard({ ...options, token: secret.slice(7), allowControl: true });
    try {
      const maker = new RequestMaker(20261123);
      for (let i = 0; i < DIRECT; i++) {
        const locked = i % 10 === 9;
        const { request, text } = maker.request();
        const response = await (locked ? guarded : open).fetch(request);
        const body = await textOf(response);
        counts.set(response.status, (counts.get(response.status) ?? 0) + 1);
        assert.ok(response.status < 500, `${text}\n${response.status} ${body}\n${errors}`);
        assert.ok(!body.includes(secret.slice(7)), `${text}\n${body.slice(0, 500)}`);
        assert.equal(response.headers.get("x-content-type-options"), "nosniff", text);
        assert.ok(response.headers.get("content-security-policy")?.startsWith("default-src 'none'"), text);
        if (locked) {
          assert.ok(response.status >= 400 || /^\/assets\//.test(new URL(request.url).pathname), text);
        }
      }
    } finally {
      await open.close();
      await guarded.close();
      console.error = error;
    }
    console.log(
      [...counts].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`).join(", "),
    );
    for (const status of [200, 400, 403, 404, 405, 413, 414, 415]) {
      assert.ok((counts.get(status) ?? 0) > 9, `${status}`);
    }
    assert.deepEqual(errors, []);
    assert.deepEqual(await folderDigest(`${folder}/outside`), outside, "nothing outside was changed");
    assert.equal(await Deno.readTextFile(`${folder}/secret.txt`), secret);
    const left = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
    assert.deepEqual(left, ["outside", "runs", "secret.txt"]);
  }));

/** Sends bytes to a server and reads what comes back, for as long as something does. */
async function exchange(port: number, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const timer = setTimeout(() => connection.close(), 2000);
  let text = "";
  try {
    await connection.write(bytes);
    await connection.closeWrite();
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(1 << 16);
    while (text.length < 1 << 20) {
      const count = await connection.read(buffer);
      if (count === null) break;
      text += decoder.decode(buffer.subarray(0, count));
      if (text.includes("text/event-stream")) break;
    }
  } catch {
    // the server has hung up
  } finally {
    clearTimeout(timer);
  }
  return text;
}

Deno.test(`a dashboard survives ${OVER_SOCKET} broken requests over its socket`, () =>
  withFolder(async (folder) => {
    const root = await makeTree(folder);
    const ended = new AbortController();
    const listens = Promise.withResolvers<number>();
    const server = serveDashboard({
      ...{ roots: [root], token: null, allowControl: true, version: "1" },
      ...{ hostname: "127.0.0.1", port: 0, furtherPorts: 0, signal: ended.signal },
      onListen: ({ port }) => listens.resolve(port),
    });
    const port = await listens.promise;
    try {
      const maker = new RequestMaker(7);
      let answered = 0;
      for (let i = 0; i < OVER_SOCKET; i += 20) {
        const batch = Array.from({ length: 20 }, () => maker.bytes(port));
        const answers = await Promise.all(batch.map((bytes) => exchange(port, bytes)));
        answers.forEach((answer, at) => {
          const sent = new TextDecoder().decode(batch[at]).slice(0, 1000);
          if (answer !== "") answered++;
          assert.doesNotMatch(answer, /^HTTP\/1\.[01] 5/m, `${sent}\n${answer.slice(0, 500)}`);
          assert.ok(!answer.includes(secret), sent);
        });
      }
      assert.ok(answered > OVER_SOCKET / 2, `${answered} of ${OVER_SOCKET} answered`);
      assert.equal((await fetch(`http://127.0.0.1:${port}/api/runs`)).status, 200, "it is still there");
    } finally {
      ended.abort();
      await server;
    }
  }));
