import assert from "node:assert/strict";
import type { Dims3 } from "../../data/volume.ts";
import { runPaths } from "../../train/run_folder.ts";
import { SliceWriter } from "../../train/slices.ts";
import { drawTile, errorColour, scaleBarMm, SLICE_COLUMNS, viewsOf } from "../../web/islands/slice_tiles.ts";
import { decodeOriginals, decodeOutputs } from "../../web/islands/slices.ts";
import { defaultWindow, dragWindow } from "../../web/islands/window_controls.tsx";
import { temporaryFolder } from "../support/spawn.ts";

const shape: Dims3 = [4, 6, 8];
const spacingMm: Dims3 = [3, 2, 1];
/** Array axis along which each letter of "xyz" runs. */
const AXIS_OF_LETTER = [2, 1, 0];
const OPPOSITE: Readonly<Record<string, string>> = { R: "L", L: "R", A: "P", P: "A", S: "I", I: "S" };

/** Grey values: how far a voxel lies towards right, anterior or superior. */
function towards(direction: "R" | "A" | "S", orientation: string): Float32Array {
  const letter = [...orientation].findIndex((end) => end === direction || end === OPPOSITE[direction]);
  const axis = AXIS_OF_LETTER[letter];
  const forward = orientation[letter] === direction;
  const strides = [48, 8, 1];
  return Float32Array.from({ length: 192 }, (_, i) => {
    const index = Math.floor(i / strides[axis]) % shape[axis];
    return forward ? index : shape[axis] - 1 - index;
  });
}

/** Slices of one patch as a run writes them and a page reads them. */
async function slicesOf(
  original: Float32Array,
  options: { orientation?: string; visible?: Uint8Array; reconstruction?: Float32Array } = {},
) {
  const { orientation = "RAS", visible = new Uint8Array(192).fill(1), reconstruction = original } = options;
  using folder = temporaryFolder();
  const paths = runPaths(folder.path);
  const writer = new SliceWriter(paths, shape, orientation, [
    { case: "head", start: [0, 0, 0], spacingMm, original, visible },
  ]);
  writer.add(0, reconstruction);
  await writer.write(250, 0.125);
  return {
    originals: decodeOriginals(await Deno.readFile(paths.sliceReference), "reference"),
    outputs: decodeOutputs(await Deno.readFile(paths.slicesAt(250)), "step"),
    bytes: await Deno.readFile(paths.slicesAt(250)),
  };
}

const window = { level: 3.5, width: 7, error: 2 };
/** Red values of a tile, row by row. */
function rows(tile: NonNullable<ReturnType<typeof drawTile>>): number[][] {
  return Array.from(
    { length: tile.height },
    (_, y) => Array.from({ length: tile.width }, (_, x) => tile.rgba[4 * (y * tile.width + x)]),
  );
}
const rising = (values: readonly number[]) => values.every((value, i) => i === 0 || value > values[i - 1]);
const constant = (values: readonly number[]) => values.every((value) => value === values[0]);

Deno.test("drawTile() puts right to the right and anterior and superior up whatever the axes of the volume", async () => {
  const screen = {
    axial: { right: "R", up: "A" },
    coronal: { right: "R", up: "S" },
    sagittal: { right: "A", up: "S" },
  } as const;
  for (const orientation of ["RAS", "LPS", "LAI", "ASR", "IPL"]) {
    for (const [label, { right, up }] of Object.entries(screen)) {
      for (const [direction, across] of [[right, true], [up, false]] as const) {
        const { originals, outputs } = await slicesOf(towards(direction, orientation), { orientation });
        const view = viewsOf(originals).find((one) => one.label === label)!;
        assert.deepEqual([view.right.ends[1], view.up.ends[1]], [right, up]);
        const tile = drawTile({
          originals,
          outputs,
          patch: 0,
          view,
          column: "original",
          window,
          onlyHidden: true,
        })!;
        const found = rows(tile);
        const columns = found[0].map((_, x) => found.map((row) => row[x]).reverse());
        const [growing, level] = across ? [found, columns] : [columns, found];
        assert.ok(growing.every(rising), `${label} of ${orientation}: ${direction} grows on the screen`);
        assert.ok(level.every(constant), `${label} of ${orientation}: ${direction} along one axis only`);
        const axis = (letter: string) =>
          AXIS_OF_LETTER[[...orientation].findIndex((end) => [letter, OPPOSITE[letter]].includes(end))];
        assert.deepEqual(tile.pixelMm, [spacingMm[axis(right)], spacingMm[axis(up)]]);
      }
    }
  }
});

Deno.test("drawTile() shows the mask, the output and its error in hidden places only, or everywhere", async () => {
  const original = new Float32Array(192).fill(3.5);
  const reconstruction = Float32Array.from(original, (_, i) => i % 8 < 4 ? 1.5 : 4.5); // errors -2 and +1
  const visible = Uint8Array.from(original, (_, i) => i % 8 === 0 || i % 8 === 7 ? 1 : 0); // at both ends
  const { originals, outputs } = await slicesOf(original, { visible, reconstruction });
  const [axial] = viewsOf(originals);
  const request = { originals, outputs, patch: 0, view: axial, window };
  const pixels = (column: (typeof SLICE_COLUMNS)[number], onlyHidden: boolean) => {
    const { rgba } = drawTile({ ...request, column, onlyHidden })!;
    return [0, 1, 6, 7].map((x) => [...rgba.slice(4 * x, 4 * x + 3)]);
  };
  const middle = [128, 128, 128], hidden = [38, 52, 96], below = [86, 180, 233], above = [115, 80, 0];
  const low = [55, 55, 55], high = [164, 164, 164], none = [0, 0, 0];
  assert.deepEqual(pixels("original", true), [middle, middle, middle, middle]);
  assert.deepEqual(pixels("masked", true), [middle, hidden, hidden, middle]);
  assert.deepEqual(pixels("reconstruction", true), [middle, low, high, middle]);
  assert.deepEqual(pixels("reconstruction", false), [low, low, high, high]);
  assert.deepEqual(pixels("error", true), [none, below, above, none]);
  assert.deepEqual(pixels("error", false), [below, below, above, above]);
});

Deno.test("drawTile() has nothing to show before the first validation, or of a patch that a later file lacks", async () => {
  const { originals, outputs } = await slicesOf(new Float32Array(192));
  const [view] = viewsOf(originals);
  const request = { originals, view, window, onlyHidden: true };
  for (const column of SLICE_COLUMNS) {
    const drawn = drawTile({ ...request, outputs: null, patch: 0, column }) !== null;
    assert.equal(drawn, column === "original" || column === "masked", column);
  }
  const fewer = {
    ...outputs,
    reconstruction: outputs.reconstruction.map((stack) => ({ ...stack, patches: 0 })),
  };
  assert.equal(drawTile({ ...request, outputs: fewer, patch: 0, column: "error" }), null);
});

Deno.test("errorColour() grows from black to blue and orange, which differ in more than hue", () => {
  assert.deepEqual(errorColour(0, 1), [0, 0, 0]);
  assert.deepEqual(errorColour(5, 1), errorColour(1, 1));
  assert.deepEqual(errorColour(NaN, 1), [0, 0, 0]);
  for (const sign of [-1, 1]) {
    const blues = [0.25, 0.5, 0.75, 1].map((error) => Math.max(...errorColour(sign * error, 1)));
    assert.ok(rising(blues));
  }
  assert.ok(errorColour(-1, 1)[2] > 200 && errorColour(1, 1)[2] === 0, "blue is in one of them only");
});

Deno.test("decodeOutputs() reads step and loss, and refuses other and damaged files by name", async () => {
  const { outputs, bytes, originals } = await slicesOf(new Float32Array(192));
  assert.deepEqual([outputs.step, outputs.valLoss, originals.patches[0].case], [250, 0.125, "head"]);
  assert.throws(
    () => decodeOutputs(bytes.slice(0, -1), "slices/step_1"),
    /Cannot read slices\/step_1: .*truncated/,
  );
  assert.throws(
    () => decodeOriginals(bytes, "slices/step_1"),
    /Cannot read slices\/step_1: .*"original\.0"|reference/,
  );
  const other = new TextEncoder().encode(
    new TextDecoder("latin1").decode(bytes).replace("slices-1", "slices-9"),
  );
  assert.throws(() => decodeOutputs(other.slice(0, bytes.length), "x"), /Cannot read x: /);
});

Deno.test("scaleBarMm() is 1, 2 or 5 times a power of ten and takes at most a third", () => {
  const lengths = [3, 5.9, 6, 15, 31, 160, 240].map(scaleBarMm);
  assert.deepEqual(lengths, [1, 1, 2, 5, 10, 50, 50]);
});

Deno.test("defaultWindow() shows the 1st to 99th percentile; dragWindow() widens to the right and keeps a width", async () => {
  const { originals } = await slicesOf(Float32Array.from({ length: 192 }, (_, i) => i === 0 ? 1000 : i % 5));
  const initial = defaultWindow(originals);
  assert.deepEqual(initial, { level: 2, width: 4, error: 2 });
  assert.deepEqual(dragWindow(initial, initial, 150, 75), { level: 3, width: 6, error: 2 });
  assert.equal(dragWindow(initial, initial, -9999, 0).width, 0.01);
  const flat = await slicesOf(new Float32Array(192));
  assert.equal(defaultWindow(flat.originals).width, 0.01, "a constant image has a window too");
});
