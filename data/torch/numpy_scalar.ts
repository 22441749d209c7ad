import { elementBytes, type SafetensorsDType, tensorView } from "../safetensors.ts";
import { narrow } from "./pickle_bytes.ts";
import type { PickleDtype } from "./pickle_values.ts";
import { NUMPY_CODES, swapBytes } from "./torch_dtypes.ts";

/** The number or text that a scalar of numpy is; null when its type is neither or its size is wrong. */
export function numpyScalar(
  type: PickleDtype,
  content: Uint8Array,
): number | bigint | boolean | string | null {
  const dtype: SafetensorsDType | undefined = NUMPY_CODES.get(type.code);
  if (dtype === undefined) {
    return type.code === `U${content.length / 4}` ? utf32(content, type.littleEndian) : null;
  }
  if (content.length !== elementBytes(dtype)) return null;
  const [value] = tensorView(
    new Uint8Array(type.littleEndian ? content : swapBytes(content, dtype)),
    dtype,
  );
  if (dtype === "BOOL") return value !== 0;
  return typeof value === "bigint" ? narrow(value) : value;
}

function utf32(content: Uint8Array, littleEndian: boolean): string | null {
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  let text = "";
  for (let at = 0; at < content.length; at += 4) {
    const code = view.getUint32(at, littleEndian);
    if (code > 0x10ffff) return null;
    text += String.fromCodePoint(code);
  }
  return text.replace(/\0+$/, "");
}
