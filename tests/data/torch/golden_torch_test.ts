import assert from "node:assert/strict";
import { readSafetensors } from "../../../data/safetensors_file.ts";
import { openTorchFile } from "../../../data/torch/open_torch_file.ts";
import type { TorchDict, TorchTensor, TorchValue } from "../../../data/torch/types.ts";
import { repositoryRoot } from "../../support/spawn.ts";

const folder = `${repositoryRoot}/../shared/golden/n_checkpoints`;
const text = await Deno.readTextFile(`${folder}/manifest.json`).catch(() => null);
if (text === null) {
  console.log(
    "Tests on recorded checkpoints are skipped: no ../shared/golden/n_checkpoints beside the checkout",
  );
}

interface CheckpointCase {
  readonly id: string;
  readonly op: string;
  readonly file: string;
  readonly twins: Readonly<Record<string, { readonly file: string; readonly n_keys: number }>>;
}

const cases = (text === null ? [] : (JSON.parse(text) as { cases: CheckpointCase[] }).cases)
  .filter(({ twins }) => twins !== undefined);

/** A value by the keys on the way to it, which a twin's name joins with slashes. */
function valueAt(root: TorchValue, path: string): TorchDict {
  const value = path.split("/").reduce<TorchValue>((inner, key) => (inner as TorchDict).get(key)!, root);
  assert.ok(value instanceof Map, path);
  return value as TorchDict;
}

Deno.test({ name: "the recorded checkpoints equal their twins", ignore: text === null }, async (t) => {
  assert.ok(cases.length >= 5, `${cases.length} checkpoints`);
  for (const { id, file: name, twins } of cases) {
    await t.step(id, async () => {
      await using file = await openTorchFile(`${folder}/${name}`);
      assert.deepEqual(file.notes, []);
      for (const [path, { file: twinName, n_keys }] of Object.entries(twins)) {
        const twin = await readSafetensors(`${folder}/${twinName}`);
        const aliases = JSON.parse(twin.metadata.aliases ?? "{}") as Record<string, string>;
        const found = [...valueAt(file.root, path)].filter(([, value]) =>
          value !== null && typeof value === "object" && "kind" in value && value.kind === "tensor"
        ) as [string, TorchTensor][];
        assert.equal(found.length, n_keys, path);
        for (const [key, tensor] of found) {
          const expected = twin.tensors.get(aliases[key] ?? key);
          assert.ok(expected, `${path}: ${key} has no twin`);
          const { dtype, shape, data } = await file.read(tensor);
          assert.deepEqual(shape, expected.shape, key);
          const values: ArrayLike<number | bigint> = dtype === "BF16" ? fromBf16(data as Uint16Array) : data;
          for (let i = 0; i < values.length; i++) {
            assert.ok(Object.is(Number(values[i]), Number(expected.data[i])), `${path}: ${key}[${i}]`);
          }
          if (key in aliases) {
            const { storage, offset } = valueAt(file.root, path).get(aliases[key]) as TorchTensor;
            assert.deepEqual(
              [tensor.storage, tensor.offset],
              [storage, offset],
              `${key} shares memory with its twin`,
            );
          }
        }
      }
    });
  }
});

function fromBf16(bits: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(bits, (value) => value << 16).buffer);
}
