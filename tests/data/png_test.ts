import assert from "node:assert/strict";
import { encodePng } from "../../data/png.ts";
import { hashRandom } from "../../data/random.ts";
import { decodePng } from "../support/decode_png.ts";

Deno.test("encodePng() keeps every pixel of grey and colour pictures", () => {
  const rng = hashRandom(1);
  for (const [width, height] of [[1, 1], [7, 5], [64, 33], [3, 200]]) {
    for (const channels of [1, 3] as const) {
      const noise = Uint8Array.from({ length: width * height * channels }, () => rng.int(0, 255));
      const ramp = Uint8Array.from(
        { length: width * height * channels },
        (_, i) => Math.floor(i / channels) % width * 3,
      );
      for (const data of [noise, ramp]) {
        const found = decodePng(encodePng({ width, height, channels, data }));
        assert.deepEqual([found.width, found.height, found.channels], [width, height, channels]);
        for (let i = 0; i < data.length; i++) {
          assert.equal(found.data[i], data[i], `${width}x${height}x${channels} [${i}]`);
        }
      }
    }
  }
});

Deno.test("encodePng() compresses smooth pictures with its row filters", () => {
  const data = Uint8Array.from({ length: 256 * 256 }, (_, i) => (i % 256 + Math.floor(i / 256)) & 255);
  assert.ok(encodePng({ width: 256, height: 256, channels: 1, data }).length < 2000);
});

Deno.test("encodePng() refuses data of another size", () => {
  assert.throws(
    () => encodePng({ width: 2, height: 2, channels: 3, data: new Uint8Array(4) }),
    /Cannot encode PNG: found 4 values for 2 x 2 pixels of 3 channels/,
  );
  assert.throws(() => encodePng({ width: 0, height: 2, channels: 1, data: new Uint8Array(0) }), RangeError);
});
