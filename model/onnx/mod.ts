/** Networks as ONNX models. */
export { describeOnnxModel, type OnnxModel, onnxModel } from "./onnx_model.ts";
export type { OnnxMasking, OnnxOptions, OnnxPart } from "./options.ts";
