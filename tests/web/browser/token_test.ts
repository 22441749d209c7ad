import assert from "node:assert/strict";
import { temporaryFolder } from "../../support/spawn.ts";
import { MadeUpRun } from "../made_up_run.ts";
import { checkAccessibility } from "./check_accessibility.ts";
import { browserTest, launchChromium } from "./chromium.ts";
import { startDashboard } from "./dashboard_process.ts";
import { watchPages } from "./watch_page.ts";

/** What asking without or with a wrong token must leave in the console: the refusals themselves. */
const refusal = /Failed to load resource: the server responded with a status of 40[134]/;

browserTest(
  "a dashboard on another address opens with its token only, and shows nothing but runs",
  async (t) => {
    using folder = temporaryFolder();
    const secret = "nobody may read this";
    await Deno.mkdir(`${folder.path}/runs`);
    await Deno.writeTextFile(`${folder.path}/secret.txt`, secret);
    (await MadeUpRun.start(`${folder.path}/runs/first`, 2))[Symbol.dispose]();
    await Deno.symlink(`${folder.path}/secret.txt`, `${folder.path}/runs/first/plan.txt`);
    await using dashboard = await startDashboard([
      ...["dashboard", `${folder.path}/runs`, "--host", "0.0.0.0", "--port", "0"],
    ]);
    const { port } = new URL(dashboard.origin);
    const origin = `http://127.0.0.1:${port}`;
    const token = new URL(dashboard.url).searchParams.get("token")!;
    assert.match(token, /^[\w-]{32}$/);
    await using browser = await launchChromium();
    const context = await browser.newContext();
    const watch = await watchPages(context, origin);
    const page = await context.newPage();

    await t.step("without a token, or with a wrong one, there is nothing but the way in", async () => {
      for (const query of ["", `?token=${"x".repeat(32)}`, `?token=${token.slice(0, -1)}`]) {
        const response = await page.goto(`${origin}/${query}`);
        assert.ok(!(await response!.text()).includes("first"));
        await page.getByLabel(/token/i).waitFor();
        assert.equal((await page.request.get(`${origin}/api/runs${query}`)).status(), 401);
      }
      await checkAccessibility(page, "login");
      watch.assertClean("login", refusal);
    });
    await t.step("the form takes the token", async () => {
      await page.getByLabel(/token/i).fill(token);
      await page.keyboard.press("Enter");
      await page.getByRole("link", { name: "first" }).waitFor();
      assert.ok(!page.url().includes("token"));
      // An open page would go on asking for news, and be refused, once its cookie is gone.
      await page.goto("about:blank");
      watch.assertClean("after the form");
      await context.clearCookies();
    });
    await t.step("the printed address lets in once, and its cookie from then on", async () => {
      await page.goto(`${origin}/?token=${token}`);
      await page.getByRole("link", { name: "first" }).waitFor();
      assert.ok(!page.url().includes("token"), "the token leaves the address");
      const cookies = await context.cookies();
      assert.deepEqual(cookies.map(({ httpOnly, sameSite }) => [httpOnly, sameSite]), [[true, "Strict"]]);
      assert.equal(await page.evaluate(() => document.cookie), "", "no script can read it");
      await page.getByRole("link", { name: "first" }).click();
      await page.getByRole("heading", { level: 1 }).waitFor();
      watch.assertClean("with the token");
    });
    await t.step("files outside of the runs are refused", async () => {
      const outside = [
        "../secret.txt",
        "..%2Fsecret.txt",
        "%2e%2e/secret.txt",
        "plan.txt",
        `${folder.path}/secret.txt`,
      ];
      for (const file of outside) {
        for (const path of [`/api/file?run=first&file=${file}`, `/api/slices/file?run=first&file=${file}`]) {
          const response = await page.request.get(`${origin}${path}`);
          assert.ok([400, 403, 404].includes(response.status()), `${path} gives ${response.status()}`);
          assert.ok(!(await response.text()).includes(secret), path);
        }
      }
      for (const run of ["..", "first/../..", "%2e%2e", "first%00"]) {
        const response = await page.request.get(`${origin}/api/run?run=${run}`);
        assert.ok([400, 403, 404].includes(response.status()), `run ${run} gives ${response.status()}`);
      }
      const response = await page.goto(`${origin}/run/${encodeURIComponent("../secret.txt")}`);
      assert.equal(response!.status(), 404);
      await checkAccessibility(page, "missing run");
      watch.assertClean("refusals", refusal);
    });
    await context.close();
  },
);
