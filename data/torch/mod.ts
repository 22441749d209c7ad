/** Files of PyTorch (`.pth`, `.pt`): read without running anything in them, and written. */
export { openTorchFile } from "./open_torch_file.ts";
export { torchToJson } from "./torch_to_json.ts";
export type { Json } from "./torch_to_json.ts";
export * from "./types.ts";
export { writeTorchFile } from "./write_torch_file.ts";
