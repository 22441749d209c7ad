/** Version of the content of a file of weights alone, imported or exported; stands in its metadata. */
export const MODEL_FORMAT = "spark3d-model-1";

/** Metadata entry that says what the weights are: kind, network, training; JSON. */
export const MODEL_KEY = "model";
