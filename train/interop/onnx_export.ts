/** Parts of a network that ONNX files are made of. */
export type OnnxPart = "encoder" | "reconstruction" | "segmentation";
