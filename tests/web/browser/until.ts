import assert from "node:assert/strict";

/** Reads a value until it is what is wanted; fails after `seconds` with the last one. */
export async function until<T>(
  read: () => Promise<T>,
  wanted: (value: T) => boolean,
  seconds = 60,
): Promise<T> {
  const end = Date.now() + 1000 * seconds;
  while (true) {
    const value = await read();
    if (wanted(value)) return value;
    if (Date.now() > end) assert.fail(`still ${JSON.stringify(value)} after ${seconds} s`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
