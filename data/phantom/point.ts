/** A point of the head with the smooth random fields there; refilled for every voxel. Lengths in mm. */
export class HeadPoint {
  /** towards the right, from the middle */
  x = 0;
  /** towards anterior */
  y = 0;
  /** towards superior */
  z = 0;
  /** noise of variance 1 with structures of about a centimetre */
  texture = 0;
  /** displacement of sulci along x, y, z, so that they wind on their way in */
  readonly bend = new Float64Array(3);
}
