import { PHANTOM_LABELS, type PhantomLabel } from "./labels.ts";

/** Result of painting one voxel: layers cover one another from the outside in, each with a soft border. */
export class VoxelPainter {
  /** Signal so far. */
  signal = 0;
  /** Label of the last layer that covers at least half of the voxel. */
  label = 0;
  readonly #perMm: number;

  /** @param borderMm width of a border: the voxel size, so that a voxel cut in half shows half of each tissue */
  constructor(borderMm: number) {
    this.#perMm = 1 / borderMm;
  }

  /** Covers the whole voxel. */
  cover(label: PhantomLabel, signal: number): void {
    this.signal = signal;
    this.label = PHANTOM_LABELS[label];
  }

  /**
   * Covers the part of the voxel inside a shape.
   *
   * @param inside signed distance to the border in mm, positive inside; the covered share is a linear ramp
   */
  layer(label: PhantomLabel, signal: number, inside: number): void {
    const share = inside * this.#perMm + 0.5;
    if (share <= 0) return;
    this.signal += (signal - this.signal) * (share < 1 ? share : 1);
    if (share >= 0.5) this.label = PHANTOM_LABELS[label];
  }
}
