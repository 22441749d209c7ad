import assert from "node:assert/strict";
import { parameterOfKey } from "../../../train/interop/names.ts";

const CONV = "encoder.stem.convs.0.conv.weight";

Deno.test("parameterOfKey() finds one parameter behind aliases, repetitions and wrappers", () => {
  const cases: [string, string, boolean, number][] = [
    [CONV, CONV, false, 0],
    ["encoder.stem.convs.0.all_modules.0.weight", CONV, true, 0],
    ["decoder.encoder.stem.convs.0.conv.weight", CONV, false, 1],
    ["module._orig_mod.encoder.stem.convs.0.conv.weight", CONV, false, 0],
    ["_orig_mod.module.decoder.encoder.stem.convs.0.all_modules.0.weight", CONV, true, 1],
    ["encoder._orig_mod.stem.convs.0.conv.weight", CONV, false, 0],
    ["architecture.encoder.stem.convs.0.conv.weight", CONV, false, 1],
    ["architecture.decoder.encoder.stem.convs.0.conv.weight", CONV, false, 2],
    [
      "encoder.stages.1.blocks.0.skip.1.all_modules.1.bias",
      "encoder.stages.1.blocks.0.skip.1.norm.bias",
      true,
      0,
    ],
    ["decoder.stages.0.convs.1.all_modules.0.bias", "decoder.stages.0.convs.1.conv.bias", true, 0],
    ["encoder.stages.0.0.convs.1.all_modules.1.weight", "encoder.stages.0.0.convs.1.norm.weight", true, 0],
    ["decoder.transpconvs.0.weight", "decoder.transpconvs.0.weight", false, 0],
    ["decoder.seg_layers.3.bias", "decoder.seg_layers.3.bias", false, 0],
    ["mask_tokens.2", "mask_tokens.2", false, 0],
    ["densify_projs.1.weight", "densify_projs.1.weight", false, 0],
  ];
  for (const [key, name, second, wrapped] of cases) {
    assert.deepEqual(parameterOfKey(key), { name, second, wrapped }, key);
  }
});

Deno.test("parameterOfKey() knows what is no parameter", () => {
  const others = [
    "lossScale",
    "eva.blocks.0.attn.qkv.weight",
    "mask_tokens",
    "mask_tokens.0.weight",
    "densify_projs.1.running_mean",
    "encoderstem.convs.0.conv.weight",
    "decoder.heads.0.weight",
    "",
  ];
  for (const key of others) assert.equal(parameterOfKey(key), null, key);
});
