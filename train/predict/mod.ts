/** Prediction: sliding windows over volumes in bounded memory, ensembles, many scans. */
export { PredictionError } from "./errors.ts";
export { gaussianMap } from "./gaussian.ts";
export { type DecidedBox, type LabelDecision, largestOf } from "./logits_ring.ts";
export { labelDecision, mirroredAxes } from "./ensemble.ts";
export { predictCases } from "./predict_cases.ts";
export { type PredictedVolume, predictVolume } from "./predict_volume.ts";
export { planRings, type RingPlan, type RingRequest, type RowBand } from "./ring_plan.ts";
export { type LogitResampling, samplingAxes, type SamplingAxis } from "./sampling_axis.ts";
export { type OutputBox, streamVolume, type StreamVolumeOptions } from "./stream_volume.ts";
export type {
  PredictCasesOptions,
  PredictedCase,
  PredictionCase,
  PredictionProgress,
  PredictionSummary,
  Segmentation,
} from "./types.ts";
export {
  type NetworkWeights,
  planWindow,
  WindowNetwork,
  type WindowNetworkOptions,
} from "./window_network.ts";
export { type WindowAxis, windowGrid, windowStarts } from "./windows.ts";
