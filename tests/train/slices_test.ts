import assert from "node:assert/strict";
import { decodeSafetensors } from "../../data/safetensors.ts";
import type { Dims3 } from "../../data/volume.ts";
import { runPaths } from "../../train/run_folder.ts";
import { type FixedPatch, SliceWriter } from "../../train/slices.ts";
import { withFolder } from "../support/nifti_bytes.ts";

const shape: Dims3 = [2, 3, 4];

/** A patch whose voxels say where they are: 100 z + 10 y + x + `offset`. */
function patchOf(name: string, offset: number): FixedPatch {
  const original = Float32Array.from(
    { length: 24 },
    (_, i) => 100 * Math.floor(i / 12) + 10 * (Math.floor(i / 4) % 3) + i % 4 + offset,
  );
  const visible = Uint8Array.from(original, (value) => value % 2);
  return { case: name, start: [0, -1, 2], spacingMm: [3, 2, 1], original, visible };
}

async function read(path: string) {
  const { tensors, metadata } = decodeSafetensors(await Deno.readFile(path));
  const values = (name: string) => Array.from(tensors.get(name)!.data as Float16Array);
  return { tensors, metadata, values };
}

const stepNames = async (out: string) =>
  (await Array.fromAsync(Deno.readDir(runPaths(out).slices), (entry) => entry.name)).sort();

Deno.test("SliceWriter writes the middle planes of every patch across each axis", () =>
  withFolder(async (out) => {
    const paths = runPaths(out);
    const patches = [patchOf("a", 0), patchOf("b", 1000)];
    const writer = new SliceWriter(paths, shape, "LPS", patches);
    writer.add(1, patches[1].original.map((value) => -value));
    writer.add(0, Float32Array.from({ length: 24 }, (_, i) => i === 0 ? NaN : 1e6));
    assert.equal(await writer.write(250, 0.125), paths.slicesAt(250));

    const reference = await read(paths.sliceReference);
    assert.equal(reference.metadata.format, "spark3d-slices-1");
    const patch = { start: [0, -1, 2], spacingMm: [3, 2, 1] };
    assert.deepEqual(JSON.parse(reference.metadata.reference), {
      shape: [2, 3, 4],
      index: [1, 1, 2],
      orientation: "LPS",
      patches: [{ case: "a", ...patch }, { case: "b", ...patch }],
    });
    const planes = [
      [100, 101, 102, 103, 110, 111, 112, 113, 120, 121, 122, 123],
      [10, 11, 12, 13, 110, 111, 112, 113],
      [2, 12, 22, 102, 112, 122],
    ];
    const shapes = [[2, 3, 4], [2, 2, 4], [2, 2, 3]];
    planes.forEach((plane, axis) => {
      const { dtype, shape: found } = reference.tensors.get(`original.${axis}`)!;
      assert.deepEqual([dtype, found], ["F16", shapes[axis]]);
      assert.deepEqual(reference.values(`original.${axis}`), [...plane, ...plane.map((v) => v + 1000)]);
      assert.equal(reference.tensors.get(`visible.${axis}`)!.dtype, "U8");
      assert.deepEqual(reference.values(`visible.${axis}`), [...plane, ...plane].map((v) => v % 2));
    });
    const step = await read(paths.slicesAt(250));
    assert.deepEqual({ ...step.metadata }, { format: "spark3d-slices-1", step: "250", valLoss: "0.125" });
    assert.deepEqual(
      step.values("reconstruction.2"),
      [Infinity, Infinity, Infinity, Infinity, Infinity, Infinity, ...planes[2].map((v) => -1000 - v)],
      "beyond the largest f16",
    );
  }));

Deno.test("SliceWriter keeps the slices of earlier starts while the first patches are the same", () =>
  withFolder(async (out) => {
    const paths = runPaths(out);
    const [a, b] = [patchOf("a", 0), patchOf("b", 1000)];
    const write = async (step: number, size: Dims3, ...patches: FixedPatch[]) => {
      const writer = new SliceWriter(paths, size, null, patches);
      patches.forEach((patch, i) => writer.add(i, patch.original));
      await writer.write(step, 1);
      return await stepNames(out);
    };
    const [reference, first, second, third, fourth] = [
      "reference.safetensors",
      ...[1, 2, 3, 4].map((step) => `step_0000000${step}.safetensors`),
    ];
    assert.deepEqual(await write(1, shape, a, b), [reference, first]);
    assert.deepEqual(await write(2, shape, a), [reference, first, second], "fewer patches");
    const patches = JSON.parse((await read(paths.sliceReference)).metadata.reference).patches;
    assert.equal(patches.length, 2, "the first step shows both");
    assert.deepEqual(
      await write(3, shape, a, b, patchOf("c", 0)),
      [reference, first, second, third],
      "more patches",
    );
    const masked = { ...b, visible: b.visible.map((value) => 1 - value) };
    assert.deepEqual(await write(4, shape, a, masked), [reference, fourth], "another mask");
    assert.deepEqual(await write(1, [2, 4, 3], a), [reference, first], "another shape");
    await Deno.writeTextFile(paths.sliceReference, "no safetensors");
    assert.deepEqual(await write(2, [2, 4, 3], a), [reference, second], "a damaged reference");
  }));
