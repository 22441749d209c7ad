import assert from "node:assert/strict";
import { TorchError } from "../../../data/torch/mod.ts";
import { openTorchSource } from "../../../train/interop/torch_source.ts";
import { temporaryFolder } from "../../support/spawn.ts";
import { floats, tensorPickle, torchBytes, unicode } from "../../data/torch/archives.ts";

Deno.test("openTorchSource() refuses a small file that names a tensor too often, or by too long a name", async () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/bomb.pth`;
  const tensor = tensorPickle({ elements: 1, shape: [1], strides: [1] });
  const tenfold = (level: number) => ["0](", ...Array(10).fill([`h`, level]).flat(), "eq", level + 1];
  const nested = [0, 1, 2, 3, 4, 5].flatMap(tenfold);
  const cases: [readonly (number | string | Uint8Array)[], RegExp][] = [
    [
      [tensor, "q", 0, ...nested],
      /^Cannot read .*bomb\.pth: found more than 100000 names of tensors, wanted /,
    ],
    [["}", unicode("k".repeat(1001)), tensor, "s"], /found a tensor whose name has 1001 characters, wanted /],
    [
      [tensorPickle({ key: "9".repeat(101), elements: 1, shape: [1], strides: [1] })],
      /a reference to a storage has not the form/,
    ],
  ];
  for (const [body, message] of cases) {
    await Deno.writeFile(path, torchBytes(body, { 0: floats(1) }));
    await assert.rejects(openTorchSource(path), (error: unknown) => {
      assert.ok(error instanceof TorchError, String(error));
      assert.match(error.message, message);
      return true;
    });
  }
});
