import { torchAlias } from "../../model/parameters.ts";

/** What a key of a PyTorch state dict stands for. */
export interface KeyMeaning {
  /** The parameter, by the name that networks here give it. */
  readonly name: string;
  /** Whether the key goes through `all_modules`: the copy that trained where the two differ. */
  readonly second: boolean;
  /** Repetitions around it, such as `architecture.` or `decoder.encoder.`; 0 for the plain key. */
  readonly wrapped: number;
}

/** Parts of a key that wrappers add: parallel training and torch.compile. */
const WRAPPERS: ReadonlySet<string> = new Set(["module", "_orig_mod"]);

const PARAMETER =
  /^(encoder\.(stem|stages)\.|decoder\.(stages|transpconvs|seg_layers)\.|mask_tokens\.\d+$|densify_projs\.\d+\.(weight|bias)$)/;

/**
 * The parameter that a key of a state dict stands for, null for one that is no parameter of a U-Net or masked auto-encoder.
 *
 * PyTorch registers convolutions and norms of a block twice (`conv` and `all_modules.0`, `norm` and `all_modules.1`), the encoder
 * again below the decoder, and SparK3D the network below `architecture`; `module.` and `_orig_mod.` come from wrappers.
 *
 * Source: state dicts of dynamic-network-architectures and nnssl (`SparK3D`).
 */
export function parameterOfKey(key: string): KeyMeaning | null {
  let wrapped = 0;
  const parts = key.split(".").filter((part) => !WRAPPERS.has(part));
  if (parts[0] === "architecture") {
    parts.shift();
    wrapped++;
  }
  if (parts[0] === "decoder" && parts[1] === "encoder") {
    parts.shift();
    wrapped++;
  }
  const plain = parts.join(".");
  if (!PARAMETER.test(plain)) return null;
  const name = plain.replace(/\.all_modules\.0\.(weight|bias)$/, ".conv.$1")
    .replace(/\.all_modules\.1\.(weight|bias)$/, ".norm.$1");
  const second = name !== plain;
  return second && torchAlias(name) !== plain ? null : { name, second, wrapped };
}

/** What stands before the encoder's names in keys, where wrappers that are not known added it; null where no key is one of an encoder. */
export function unknownPrefix(keys: readonly string[]): string | null {
  const encoder = /^(.+?[./])encoder\.(?:stem|stages)\./;
  for (const key of keys) {
    const prefix = encoder.exec(key)?.[1];
    if (prefix !== undefined) return prefix;
  }
  return null;
}
