import assert from "node:assert/strict";
import { chooseVolumes, contactSheet } from "../../data/report/contact_sheet.ts";
import { writeReport } from "../../data/report/mod.ts";
import { slicePicture } from "../../data/report/slice_picture.ts";
import { DatasetStore } from "../../data/store.ts";
import { readStoreIndex, type StoreVolume } from "../../data/store_index.ts";
import { diagonalAffine, type Dims3, voxelCount } from "../../data/volume.ts";
import { writeZarrArray } from "../../data/zarr/mod.ts";
import { decodePng } from "../support/decode_png.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { type MadeImage, writeMadeStore } from "../support/report_store.ts";
import { elementsOf, parseWellFormed } from "../support/well_formed.ts";

/** Adds arrays to a made store: value = x + 10 y + 100 z of the voxel. */
async function writeArrays(folder: string, volumes: readonly StoreVolume[]): Promise<void> {
  for (const { path, shape, spacing } of volumes) {
    const data = Float32Array.from({ length: voxelCount(shape) }, (_, i) => {
      const x = i % shape[2],
        y = Math.floor(i / shape[2]) % shape[1],
        z = Math.floor(i / shape[2] / shape[1]);
      return x + 10 * y + 100 * z;
    });
    await writeZarrArray(`${folder}/${path}`, data, shape, {
      dtype: "float32",
      compression: "none",
      attributes: { affine: diagonalAffine(spacing) },
    });
  }
}

Deno.test("the contact sheet shows chosen volumes only, and says which cannot be read", () =>
  withFolder(async (store) => {
    const shape: Dims3 = [6, 8, 10];
    const images = Array.from(
      { length: 9 },
      (_, i): MadeImage => ({ dataset: "d", subject: `sub-${i}`, shape }),
    );
    await writeMadeStore(store, { images });
    const { volumes } = readStoreIndex(store);
    const chosen = chooseVolumes(volumes, 4, 7);
    assert.equal(chosen.length, 4);
    assert.deepEqual(
      chosen,
      volumes.filter((volume) => chosen.includes(volume)),
      "in the order of the store",
    );
    assert.deepEqual(chooseVolumes(volumes, 4, 7), chosen);
    assert.notDeepEqual([8, 9, 10].map((seed) => chooseVolumes(volumes, 4, seed)), [chosen, chosen, chosen]);
    assert.equal(chooseVolumes(volumes, 100, 7).length, 9);

    await writeArrays(store, chosen.slice(1)); // the first chosen one and all that are not chosen have no array
    const { warnings, numbers } = await writeReport({ store, sheet: 4, seed: 7 });
    assert.equal(numbers.totals.volumes, 9);
    assert.equal(warnings.length, 1);
    assert.ok(warnings[0].includes(chosen[0].path), warnings[0]);
    const page = parseWellFormed(await Deno.readTextFile(`${store}/report/report.html`));
    const pictures = [...elementsOf(page)].filter(({ name }) => name === "img");
    assert.equal(pictures.length, 3);
    const png = decodePng(Uint8Array.fromBase64(pictures[0].attributes.src.split(",")[1]));
    assert.deepEqual([png.width, png.height, png.channels], [340, 112, 1]);
    assert.equal(pictures[0].attributes.alt, "Middle slices: T1w, 6 × 8 × 10, 1 mm");
    const svg = parseWellFormed(await Deno.readTextFile(`${store}/report/contact_sheet.svg`));
    assert.equal([...elementsOf(svg)].filter(({ name }) => name === "image").length, 3);

    using opened = new DatasetStore(store, readStoreIndex(store));
    const stop = AbortSignal.abort(new Error("stopped"));
    await assert.rejects(contactSheet(opened, { count: 4, seed: 7, signal: stop }), /stopped/);
  }));

Deno.test("slicePicture() draws the middle slices upright whichever way the axes run", () => {
  const shape: Dims3 = [4, 6, 8];
  // Bright only at the right, anterior and superior end of the world.
  const draw = (axes: "xyz" | "zxy", flip: boolean) => {
    const world = (i: number, n: number) => flip ? n - 1 - i : i;
    const data = new Float32Array(voxelCount(shape));
    const order = axes === "xyz" ? [2, 1, 0] : [0, 2, 1]; // array axis of world x, y, z
    const affine = new Array<number>(16).fill(0);
    affine[15] = 1;
    order.forEach((axis, w) => {
      affine[4 * w + (2 - axis)] = flip ? -1 : 1;
      affine[4 * w + 3] = flip ? shape[axis] - 1 : 0;
    });
    for (let i = 0; i < data.length; i++) {
      const index = [Math.floor(i / 48), Math.floor(i / 8) % 6, i % 8];
      const at = order.map((axis) => world(index[axis], shape[axis]) / (shape[axis] - 1));
      data[i] = at[0] + 2 * at[1] + 4 * at[2];
    }
    const readBox = (start: Dims3, size: Dims3) => {
      const box = new Float32Array(voxelCount(size));
      for (let i = 0; i < box.length; i++) {
        const z = Math.floor(i / size[1] / size[2]) + start[0],
          y = Math.floor(i / size[2]) % size[1] + start[1];
        box[i] = data[(z * 6 + y) * 8 + i % size[2] + start[2]];
      }
      return box;
    };
    return slicePicture({ shape, spacing: [1, 1, 1], affine, readBox }, 16);
  };
  for (const [axes, flip] of [["xyz", false], ["xyz", true], ["zxy", false], ["zxy", true]] as const) {
    const { width, height, data } = draw(axes, flip);
    assert.deepEqual([width, height], [52, 16]);
    for (let view = 0; view < 3; view++) {
      const lit: [number, number, number][] = [];
      for (let y = 0; y < 16; y++) {
        for (let x = 0; x < 16; x++) {
          const value = data[y * width + view * 18 + x];
          if (value > 0) lit.push([x, y, value]);
        }
      }
      const [brightest] = [...lit].sort((a, b) => b[2] - a[2]);
      const right = Math.max(...lit.map(([x]) => x)), top = Math.min(...lit.map(([, y]) => y));
      assert.ok(
        brightest[0] > right - 3 && brightest[1] < top + 4,
        `${axes} ${flip} view ${view}: ${brightest}`,
      );
    }
  }
  const flat = slicePicture({
    shape: [1, 2, 3],
    spacing: [5, 1, 1],
    readBox: (_, size) => new Float32Array(voxelCount(size)).fill(NaN),
  }, 20);
  assert.ok(flat.data.every((value) => value === 0 || value === 128));
});
