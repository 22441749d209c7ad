/** A prediction that cannot be made: models that do not belong together, wrong settings, logits that are not finite. */
export class PredictionError extends Error {
  override readonly name = "PredictionError";
}
