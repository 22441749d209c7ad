import { resampledShape, type ResampleOptions, separateZ } from "../../../data/resample.ts";
import { resampleLabels } from "../../../data/resample_labels.ts";
import type { InterpolationOrder } from "../../../data/spline_axis.ts";
import { type Dims3, voxelCount } from "../../../data/volume.ts";
import { eachCase } from "../gpu.ts";
import { resamplers } from "../resamplers.ts";
import type { Checker, GoldenCase, GoldenGroup } from "../support.ts";

interface SpacingRow {
  readonly spacing: Dims3;
  readonly new_spacing: Dims3;
}

/** Resampling of images (on the processor and on the GPU) and label maps, and the decision tables beside them. */
export async function run(group: GoldenGroup, check: Checker): Promise<void> {
  await eachCase(group, check, async (golden) => {
    const known = golden.op === "resample_data" || golden.op === "resample_label_map";
    if (!known) throw new Error(`unknown op ${golden.op}`);
    await resampleCase(group, golden, check);
  });
  const decisions = (group.manifest.separate_z_decisions ?? []) as (SpacingRow & {
    force_separate_z: boolean | null;
    separate_z: boolean;
    axis: number | null;
  })[];
  decisions.forEach((row, i) => {
    const { separate, axis } = separateZ(row.spacing, row.new_spacing, row.force_separate_z);
    check.equal("separate_z_decisions", `row ${i}`, { separate, axis }, {
      separate: row.separate_z,
      axis: row.axis,
    });
  });
  const shapes =
    (group.manifest.new_shape_table ?? []) as (SpacingRow & { old_shape: Dims3; new_shape: Dims3 })[];
  shapes.forEach((row, i) => {
    check.equal(
      "new_shape_table",
      `row ${i}`,
      resampledShape(row.old_shape, row.spacing, row.new_spacing),
      row.new_shape,
    );
  });
}

async function resampleCase(group: GoldenGroup, golden: GoldenCase, check: Checker): Promise<void> {
  const attributes = golden.attributes;
  const spacing = attributes.spacing as Dims3, newSpacing = attributes.new_spacing as Dims3;
  const { data, shape } = group.tensor(golden.inputs.data);
  const oldShape = shape.slice(-3) as unknown as Dims3;
  const force = (attributes.force_separate_z ?? null) as boolean | null;
  const options: ResampleOptions = {
    order: attributes.order as InterpolationOrder,
    orderZ: attributes.order_z as InterpolationOrder,
    forceSeparateZ: force,
  };
  const newShape = resampledShape(oldShape, spacing, newSpacing);
  check.equal(golden.id, "new_shape", newShape, attributes.new_shape);
  const decision = separateZ(spacing, newSpacing, force);
  check.equal(golden.id, "separate_z", decision, { separate: attributes.separate_z, axis: attributes.axis });
  const values = Float32Array.from(data as ArrayLike<number>, Number);
  if (golden.op === "resample_data") {
    for (const { where, resample } of await resamplers(options)) {
      const resampled = await resample(values, oldShape, newShape, spacing, newSpacing);
      check.close(golden.id, `resampled${where}`, resampled, golden.outputs.resampled);
    }
    return;
  }
  const voxels = voxelCount(oldShape), labels = Int32Array.from(values);
  const channels = Array.from(
    { length: labels.length / voxels },
    (_, c) =>
      resampleLabels(
        labels.subarray(c * voxels, (c + 1) * voxels),
        oldShape,
        newShape,
        spacing,
        newSpacing,
        options,
      ),
  );
  check.close(
    golden.id,
    "resampled",
    channels.flatMap((channel) => Array.from(channel)),
    golden.outputs.resampled,
  );
}
