import type { Rng } from "../random.ts";

/** Weightings that a phantom can imitate; the names are BIDS suffixes. */
export const PHANTOM_CONTRASTS = ["T1w", "T2w", "FLAIR"] as const;
/** One of {@linkcode PHANTOM_CONTRASTS}. */
export type PhantomContrast = (typeof PHANTOM_CONTRASTS)[number];

/** Signal of each tissue, air about 0 and the brightest tissue about 1. */
export interface TissueSignals {
  readonly air: number;
  readonly skin: number;
  readonly fat: number;
  readonly muscle: number;
  readonly bone: number;
  readonly marrow: number;
  readonly fluid: number;
  readonly cortex: number;
  readonly whiteMatter: number;
  readonly caudate: number;
  readonly putamen: number;
  readonly pallidum: number;
  readonly thalamus: number;
  readonly cerebellarCortex: number;
  readonly cerebellarWhiteMatter: number;
  readonly brainStem: number;
  readonly vitreous: number;
  readonly lesion: number;
}

/**
 * Relative signals at 1.5 to 3 T, rounded. Order in the brain: T1w white > grey > fluid, T2w fluid > grey > white,
 * FLAIR grey > white > fluid, lesions brightest.
 */
const SIGNALS: Readonly<Record<PhantomContrast, TissueSignals>> = {
  T1w: {
    air: 0.01,
    skin: 0.5,
    fat: 0.98,
    muscle: 0.42,
    bone: 0.07,
    marrow: 0.5,
    fluid: 0.16,
    cortex: 0.54,
    whiteMatter: 0.82,
    caudate: 0.57,
    putamen: 0.6,
    pallidum: 0.72,
    thalamus: 0.65,
    cerebellarCortex: 0.52,
    cerebellarWhiteMatter: 0.79,
    brainStem: 0.76,
    vitreous: 0.18,
    lesion: 0.5,
  },
  T2w: {
    air: 0.01,
    skin: 0.35,
    fat: 0.62,
    muscle: 0.22,
    bone: 0.05,
    marrow: 0.35,
    fluid: 1,
    cortex: 0.54,
    whiteMatter: 0.37,
    caudate: 0.49,
    putamen: 0.46,
    pallidum: 0.32,
    thalamus: 0.45,
    cerebellarCortex: 0.53,
    cerebellarWhiteMatter: 0.38,
    brainStem: 0.41,
    vitreous: 0.98,
    lesion: 0.74,
  },
  FLAIR: {
    air: 0.01,
    skin: 0.42,
    fat: 0.72,
    muscle: 0.33,
    bone: 0.05,
    marrow: 0.36,
    fluid: 0.12,
    cortex: 0.63,
    whiteMatter: 0.49,
    caudate: 0.61,
    putamen: 0.59,
    pallidum: 0.48,
    thalamus: 0.57,
    cerebellarCortex: 0.6,
    cerebellarWhiteMatter: 0.49,
    brainStem: 0.51,
    vitreous: 0.14,
    lesion: 0.95,
  },
};

/** Signals of one acquisition: those of the weighting, each tissue shifted by up to 5 %, which keeps the order. */
export function drawSignals(contrast: PhantomContrast, rng: Rng): TissueSignals {
  const entries = Object.entries(SIGNALS[contrast]).map(([tissue, signal]) =>
    [tissue, signal * (0.95 + 0.1 * rng.uniform())] as const
  );
  return Object.fromEntries(entries) as unknown as TissueSignals;
}
