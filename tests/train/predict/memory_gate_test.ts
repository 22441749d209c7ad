import assert from "node:assert/strict";
import { MemoryGate } from "../../../train/predict/memory_gate.ts";

/** Work in the order in which it began. */
function recorder(gate: MemoryGate) {
  const begun: string[] = [];
  const enter = (name: string, bytes: number) =>
    gate.enter(() => Promise.resolve(bytes)).then((share) => {
      begun.push(name);
      return share;
    });
  return { begun, enter };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("MemoryGate lets work begin in order, small work never before large work that asked first", async () => {
  const { begun, enter } = recorder(new MemoryGate(10));
  const first = await enter("first", 6);
  const large = enter("large", 8), small = enter("small", 1);
  await settle();
  assert.deepEqual(begun, ["first"]);
  first.hold(2);
  await settle();
  assert.deepEqual(begun, ["first", "large"]);
  first[Symbol.dispose]();
  await settle();
  assert.deepEqual(begun, ["first", "large", "small"]);
  (await large)[Symbol.dispose]();
  (await small)[Symbol.dispose]();
});

Deno.test("MemoryGate lets work alone take more than there is", async () => {
  const { begun, enter } = recorder(new MemoryGate(10));
  const huge = await enter("huge", 50);
  const next = enter("next", 1);
  await settle();
  assert.deepEqual(begun, ["huge"]);
  huge[Symbol.dispose]();
  (await next)[Symbol.dispose]();
  assert.deepEqual(begun, ["huge", "next"]);
});

Deno.test("MemoryGate goes on after work whose need cannot be found out", async () => {
  const { enter, begun } = recorder(new MemoryGate(10));
  const gate = new MemoryGate(10);
  await assert.rejects(gate.enter(() => Promise.reject(new Error("no header"))), /no header/);
  (await gate.enter(() => Promise.resolve(3)))[Symbol.dispose]();
  (await enter("other", 3))[Symbol.dispose]();
  assert.deepEqual(begun, ["other"]);
});
