/** Structures of the phantom; the value is the voxel label. */
export const PHANTOM_LABELS = {
  background: 0,
  scalp: 1,
  skull: 2,
  cerebrospinal_fluid: 3,
  cortical_grey_matter: 4,
  white_matter: 5,
  ventricle: 6,
  caudate: 7,
  putamen: 8,
  pallidum: 9,
  thalamus: 10,
  cerebellar_grey_matter: 11,
  cerebellar_white_matter: 12,
  brain_stem: 13,
  eye: 14,
  lesion: 15,
} as const;

/** Name of a labelled structure. */
export type PhantomLabel = keyof typeof PHANTOM_LABELS;
