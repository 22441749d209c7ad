import assert from "node:assert/strict";
import { drawText } from "../../train/bitmap_font.ts";
import { reconstructionPicture } from "../../train/picture.ts";
import { decodePng } from "../support/decode_png.ts";

const shape = [4, 6, 8] as const;
const voxels = 4 * 6 * 8;
const original = Float32Array.from({ length: voxels }, (_, i) => i);
const reconstruction = Float32Array.from({ length: voxels }, (_, i) => voxels - 1 - i);
const visible = Uint8Array.from({ length: voxels }, (_, i) => i % 8 < 4 ? 1 : 0); // left half of every row
const zoom = 192 / 8, left = 56, columnWidth = 192 + 4, top = 16;

/** Colour of the voxel at row v from the top and column u of a tile. */
function colourAt(png: Uint8Array, row: number, column: number, v: number, u: number): number[] {
  const { width, data } = decodePng(png);
  const rowTops = [top, top + 6 * zoom + 4, top + 10 * zoom + 8];
  const pixel = (rowTops[row] + v * zoom + 3) * width + left + column * columnWidth + u * zoom + 3;
  return [...data.subarray(3 * pixel, 3 * pixel + 3)];
}

function grey(value: number): number[] {
  const low = 2, high = 189; // 1st and 99th percentile of 0..191
  const level = Math.max(0, Math.min(255, Math.round((value - low) / (high - low) * 255)));
  return [level, level, level];
}

Deno.test("reconstructionPicture() puts the right voxel into every tile", () => {
  const png = reconstructionPicture({ original, visible, reconstruction, shape, slices: [1, 2, 3] });
  const index = (d: number, h: number, w: number) => (d * 6 + h) * 8 + w;
  // axial: the top row is the largest h; coronal and sagittal: the largest d
  const places = [[0, 1, 2, index(1, 4, 2), 2], [0, 1, 6, index(1, 4, 6), 6], [1, 0, 6, index(3, 2, 6), 6]];
  places.push([2, 3, 5, index(0, 5, 3), 3]);
  for (const [row, v, u, voxel, w] of places) {
    const isVisible = w < 4, label = `row ${row}, voxel ${voxel}`;
    assert.deepEqual(colourAt(png, row, 0, v, u), grey(original[voxel]), `${label} original`);
    const masked = colourAt(png, row, 1, v, u);
    if (isVisible) assert.deepEqual(masked, grey(original[voxel]), `${label} masked`);
    else assert.notEqual(masked[0], masked[2], `${label} is hidden, hence coloured`);
    assert.deepEqual(colourAt(png, row, 2, v, u), grey(reconstruction[voxel]), `${label} reconstruction`);
    const composite = isVisible ? original[voxel] : reconstruction[voxel];
    assert.deepEqual(colourAt(png, row, 3, v, u), grey(composite), `${label} composite`);
  }
});

Deno.test("reconstructionPicture() turns every orientation the same way up", () => {
  const ras = reconstructionPicture({ original, visible, reconstruction, shape, slices: [1, 2, 3] });
  // the same patch stored with x towards posterior, y towards superior, z towards left
  const [depth, height, width] = shape, turned: Record<string, Float32Array> = {};
  for (const [name, values] of Object.entries({ original, visible, reconstruction })) {
    const out = turned[name] = new Float32Array(voxels);
    for (let d = 0; d < depth; d++) {
      for (let h = 0; h < height; h++) {
        for (let w = 0; w < width; w++) {
          out[((width - 1 - w) * depth + d) * height + (height - 1 - h)] =
            values[(d * height + h) * width + w];
        }
      }
    }
  }
  const { original: o, visible: v, reconstruction: r } = turned;
  const psl = reconstructionPicture({
    original: o,
    visible: v,
    reconstruction: r,
    shape: [width, depth, height],
    axes: "PSL",
    slices: [width - 1 - 3, 1, height - 1 - 2],
  });
  const a = decodePng(ras), b = decodePng(psl);
  assert.deepEqual([a.width, a.height], [b.width, b.height]);
  for (let i = 0; i < a.data.length; i++) assert.equal(a.data[i], b.data[i], `byte ${i}`);
});

Deno.test("reconstructionPicture() is at least 192 pixels a tile and grows by a caption", () => {
  const plain = decodePng(reconstructionPicture({ original, visible, reconstruction, shape }));
  const titled = decodePng(
    reconstructionPicture({ original, visible, reconstruction, shape, caption: "step 3" }),
  );
  assert.ok(plain.width >= 4 * 192);
  assert.equal(titled.width, plain.width);
  assert.ok(titled.height > plain.height);
});

Deno.test("reconstructionPicture() draws constant and broken values", () => {
  const flat = new Float32Array(voxels).fill(3);
  const png = reconstructionPicture({ original: flat, visible, reconstruction: flat, shape });
  assert.deepEqual(colourAt(png, 0, 0, 0, 0), [128, 128, 128]);
  const broken = new Float32Array(voxels).fill(NaN);
  assert.ok(reconstructionPicture({ original, visible, reconstruction: broken, shape }).length > 100);
});

Deno.test("reconstructionPicture() refuses arrays of another size and slices outside", () => {
  const input = { original, visible, reconstruction, shape };
  assert.throws(
    () => reconstructionPicture({ ...input, visible: new Uint8Array(3) }),
    /Cannot draw visible: found 3 voxels, shape 4x6x8 has 192/,
  );
  assert.throws(() => reconstructionPicture({ ...input, slices: [4, 0, 0] }), /Cannot draw slices 4, 0, 0/);
  for (const axes of ["RRS", "RA", "XYZ"]) {
    assert.throws(
      () => reconstructionPicture({ ...input, axes }),
      new RegExp(`Cannot draw with axes "${axes}"`),
    );
  }
});

Deno.test("drawText() draws inside the picture only, each character differently", () => {
  const draw = (text: string, x = 0, y = 0) => {
    const picture = { width: 12, height: 9, channels: 1 as const, data: new Uint8Array(108) };
    drawText(picture, text, x, y, 255);
    return picture.data.join("");
  };
  const characters = "abcdefghijklmnopqrstuvwxyz0123456789.,:-+=/%()<>_ ";
  assert.equal(new Set([...characters].map((c) => draw(c))).size, characters.length);
  assert.equal(draw("A"), draw("a"));
  assert.notEqual(draw("é"), draw(" "), "an unknown character leaves a mark");
  assert.equal(draw("w", 50, 50), draw(" "));
  assert.notEqual(draw("w", 8, 5), draw(" "));
});
