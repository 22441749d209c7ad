/** Networks as ONNX models. */
export type { OnnxMasking, OnnxOptions, OnnxPart } from "./options.ts";
