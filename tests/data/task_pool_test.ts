import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { prepareDataset } from "../../data/prepare/mod.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { writeSmallDataset } from "../support/small_dataset.ts";

const served = (file: string) => JSON.stringify(new URL(`../../data/${file}`, import.meta.url).href);

/** Writes a worker module whose resampler has this body; `LOG` is a file that it may append to. */
async function writeWorker(folder: string, body: string, open = ""): Promise<URL> {
  const path = `${folder}/worker.js`;
  await Deno.writeTextFile(
    path,
    `import { serveImages } from ${served("prepare/serve_images.ts")};
     import { DataError } from ${served("errors.ts")};
     const log = (text) => Deno.writeTextFileSync(${JSON.stringify(`${folder}/log`)}, text, { append: true });
     serveImages(self, async () => {
       ${open}
       return { resample: async (data) => { ${body} return data; }, close: () => log("c") };
     });`,
  );
  return pathToFileURL(path);
}

/** Works until three images were in work together, for ten seconds at most, or for 40 ms. */
const work = (together: boolean) =>
  `const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
   const begun = () => Deno.readTextFileSync(import.meta.dirname + "/log").split("+").length - 1;
   log("+");
   await wait(${together ? 0 : 40});
   for (let i = 0; ${together} && begun() < 3 && i < 1000; i++) await wait(10);
   log("-");`;

Deno.test("images in work stay within the memory budget, and use all threads when there is room", () =>
  withFolder(async (folder) => {
    await writeSmallDataset(`${folder}/bids`, 6);
    const order = async (name: string, memoryBytes: number) => {
      const workerUrl = await writeWorker(folder, work(name === "wide"));
      await Deno.writeTextFile(`${folder}/log`, "");
      const options = {
        source: `${folder}/bids`,
        out: `${folder}/${name}`,
        workers: 3,
        workerUrl,
        memoryBytes,
      };
      assert.equal((await prepareDataset(options)).prepared, 6);
      return await Deno.readTextFile(`${folder}/log`);
    };
    // an image of 13x12x14 voxels is expected to take 52 KiB
    assert.equal(await order("tight", 70_000), "+-".repeat(6) + "ccc");
    const wide = await order("wide", 2 ** 30);
    assert.match(wide, /^\+\+\+/);
    assert.equal(wide.replaceAll("c", "").length, 12);
  }));

Deno.test("a device that fails ends the run with its message, and the next run goes on", () =>
  withFolder(async (folder) => {
    await writeSmallDataset(`${folder}/bids`, 5);
    const failing = `log("+"); if (Deno.readTextFileSync(${JSON.stringify(`${folder}/log`)}).length > 2) {
      throw new DataError({ file: "images", action: "resample", found: "a lost device", wanted: "one", remedy: "go on" });
    }`;
    const workerUrl = await writeWorker(folder, failing);
    const options = { source: `${folder}/bids`, out: `${folder}/store`, workers: 1 };
    await assert.rejects(
      prepareDataset({ ...options, workerUrl }),
      /^DataError: Cannot resample images: found a lost device, wanted one: go on$/,
    );
    const rest = await prepareDataset(options);
    assert.deepEqual([rest.prepared, rest.reused], [3, 2]);
  }));

Deno.test("a fault of the program or of a worker module ends the run and names the image", () =>
  withFolder(async (folder) => {
    await writeSmallDataset(`${folder}/bids`, 2);
    const options = { source: `${folder}/bids`, out: `${folder}/store`, workers: 2 };
    await assert.rejects(
      prepareDataset({ ...options, workerUrl: await writeWorker(folder, `throw new TypeError("oops");`) }),
      /^Error: Cannot process .*sub-0\d_T1w\.nii: a fault of this program, please report it: TypeError: oops/,
    );
    await assert.rejects(
      prepareDataset({
        ...options,
        workerUrl: await writeWorker(folder, "", `throw new Error("no device");`),
      }),
      /a fault of this program, please report it: Error: no device/,
    );
    await Deno.writeTextFile(`${folder}/broken.js`, `throw new Error("at load");`);
    await assert.rejects(
      prepareDataset({ ...options, workerUrl: pathToFileURL(`${folder}/broken.js`) }),
      /Cannot go on: a worker failed: .*at load/,
    );
  }));
