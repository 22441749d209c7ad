import assert from "node:assert/strict";
import { torchToJson } from "../../../data/torch/torch_to_json.ts";
import { TorchError, type TorchFile, type TorchTensor, type TorchValue } from "../../../data/torch/types.ts";
import { openBytes } from "./archives.ts";
import { mutatedTorch } from "./mutate_torch.ts";

const FILES = 10_000;
const LIMIT_BYTES = 1 << 16;
const SLOWEST_MS = 5000;
const MEMORY_BYTES = 400 * 2 ** 20;

/** Every tensor of a tree, at most so many. */
function tensorsOf(root: TorchValue, limit = 100): TorchTensor[] {
  const found: TorchTensor[] = [], waiting: TorchValue[] = [root];
  while (waiting.length > 0 && found.length < limit) {
    const value = waiting.pop()!;
    if (value instanceof Map) waiting.push(...value.values());
    else if (Array.isArray(value)) waiting.push(...value);
    else if (value !== null && typeof value === "object" && "kind" in value && value.kind === "tensor") {
      found.push(value);
    }
  }
  return found;
}

/** Opens a file and reads all of it; "read", or the reason of the refusal with its numbers and names removed. */
async function useFile(bytes: Uint8Array, story: string): Promise<string> {
  const refusal = (error: unknown): string => {
    assert.ok(error instanceof TorchError, `file ${story}: ${(error as Error).stack}`);
    assert.match(
      error.message,
      /^(Cannot read|Cannot turn .* of) file\.pth[: ][\x20-\x7e\u00a1-\uffff]+$/,
      story,
    );
    return error.message.replace(/"[^"]*"|\[[^\]]*\]|0x[0-9a-f]+|checksum [0-9a-f]+|wanted [0-9a-f]{8}/g, "*")
      .replace(/\d+/g, "#");
  };
  let file: TorchFile;
  try {
    file = await openBytes(bytes, { maxPickleBytes: LIMIT_BYTES, maxTensorBytes: LIMIT_BYTES });
  } catch (error) {
    return refusal(error);
  }
  try {
    for (const tensor of tensorsOf(file.root)) {
      const { data, shape } = await file.read(tensor);
      assert.equal(data.length, shape.reduce((product, n) => product * n, 1), story);
      assert.ok(data.byteLength <= LIMIT_BYTES, story);
    }
  } catch (error) {
    return refusal(error);
  }
  try {
    torchToJson(file.root, file.path);
  } catch (error) {
    refusal(error);
  }
  return "read";
}

Deno.test(`${FILES} mutated files are each read or refused with a reason: quickly, in little memory, and nothing is run`, async () => {
  const prototypes = [Object.prototype, Array.prototype, Map.prototype, Function.prototype];
  const names = () => prototypes.map((item) => Object.getOwnPropertyNames(item).join()).join(" ");
  const before = names(), startBytes = Deno.memoryUsage().rss;
  const outcomes = new Map<string, number>();
  for (let index = 0; index < FILES; index++) {
    const { bytes, story } = mutatedTorch(5, index);
    const started = performance.now();
    const outcome = await useFile(bytes, story);
    const ms = performance.now() - started;
    assert.ok(ms < SLOWEST_MS, `file ${story}: ${ms.toFixed(0)} ms`);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (index % 100 === 0) {
      const grown = Deno.memoryUsage().rss - startBytes;
      assert.ok(grown < MEMORY_BYTES, `file ${story}: ${grown} bytes more than at the start`);
    }
  }
  assert.equal(names(), before);
  // The corpus is worth something only if it reaches both sides of every check.
  const read = outcomes.get("read") ?? 0;
  assert.ok(read > FILES / 20 && read < FILES * 0.9, `${read} of ${FILES} read`);
  assert.ok(outcomes.size >= 40, `${outcomes.size} outcomes: ${[...outcomes.keys()].join("\n")}`);
});

Deno.test("mutatedTorch() is a function of seed and index", () => {
  const [a, again, b] = [mutatedTorch(1, 5), mutatedTorch(1, 5), mutatedTorch(1, 6)];
  assert.equal(a.story, again.story);
  assert.equal(a.bytes.join(), again.bytes.join());
  assert.notEqual(a.story, b.story);
});
