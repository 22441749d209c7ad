import assert from "node:assert/strict";
import { visibleText } from "../../cli/visible_text.ts";

Deno.test("visibleText() spells out what a terminal would act upon", () => {
  assert.equal(visibleText("Größe 3\u00d73, 頭部"), "Größe 3\u00d73, 頭部");
  assert.equal(visibleText("a\x1b[2J\x07\u202eb\u0085"), "a\\u{1b}[2J\\u{7}\\u{202e}b\\u{85}");
  assert.equal(visibleText("a\nnote: b"), "a\\u{a}note: b");
  assert.equal(visibleText("a\nb\r", true), "a\nb\\u{d}");
});
