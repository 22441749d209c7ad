import { DataError } from "../errors.ts";

/** One foreground output of a segmentation network. */
export interface ForegroundClass {
  readonly name: string;
  /** Label values that belong to it: one for a plain label, one or more for a region. */
  readonly values: readonly number[];
}

/**
 * The labels of a data set. `labels`: one output a label value, background first, exclusive (softmax); `foreground[i]` is output i + 1 and
 * label value i + 1. `regions`: one output a region, overlapping (sigmoid); `foreground[r]` is output r.
 */
export interface LabelSet {
  readonly kind: "labels" | "regions";
  readonly foreground: readonly ForegroundClass[];
  /** Channels of the network's output. */
  readonly outputs: number;
  /** Entries of `labels` in dataset.json, background and ignore included: what the planner counts. */
  readonly declared: number;
  /** Label value of voxels that have no say in loss and metrics; null without one. */
  readonly ignore: number | null;
  /** Label value that region r gets in a written segmentation, later regions over earlier ones; null for plain labels. */
  readonly regionsClassOrder: readonly number[] | null;
}

/**
 * The labels of a dataset.json, as nnU-Net v2 reads them: `labels` maps names to a value, or to a list of values (a region).
 *
 * @param file path for messages
 * @throws {DataError} when an entry is no whole number, values are not consecutive from 0, `ignore` is not the highest, or
 * `regions_class_order` does not fit the regions
 * Source: nnU-Net v2 `utilities/label_handling/label_handling.py`
 */
export function parseLabels(description: unknown, file = "dataset.json"): LabelSet {
  const refuse = (found: string, wanted: string, remedy: string): never => {
    throw new DataError({ file, found, wanted, remedy });
  };
  const json = isObject(description) ? description : {};
  const entries = isObject(json.labels) ? Object.entries(json.labels) : refuse(
    'no object "labels"',
    "label names with their values",
    'add labels such as {"background": 0, "tumor": 1}',
  );
  if (entries.length > 0 && entries.every(([, value]) => typeof value === "string")) {
    refuse(
      "label names as values, the form of nnU-Net v1",
      "names as keys and numbers as values",
      'write {"background": 0, "tumor": 1}, and channel_names and file_ending beside it',
    );
  }
  const parsed = entries.map(([name, value]) => {
    const values = Array.isArray(value) ? value : [value];
    if (values.length === 0 || !values.every((one) => Number.isSafeInteger(one) && one >= 0)) {
      refuse(
        `label ${JSON.stringify(name)} with value ${JSON.stringify(value)}`,
        "a whole number from 0, or a list of them",
        "correct labels",
      );
    }
    return { name, values: values as number[], list: Array.isArray(value) };
  });
  const ignored = parsed.find(({ name }) => name === "ignore");
  const classes = parsed.filter((entry) => entry !== ignored);
  const present = [...new Set(classes.flatMap(({ values }) => values))].sort((a, b) => a - b);
  const consecutive = present.every((value, i) => value === i);
  if (present[0] !== 0 || !consecutive || present.length < 2) {
    refuse(
      `label values ${present.join(", ") || "none"}`,
      "consecutive values 0 (background), 1, 2, ...",
      "number the labels without gaps, in dataset.json and in the label files",
    );
  }
  const ignore = ignored === undefined ? null : ignored.values[0];
  if (ignored && (ignored.values.length !== 1 || ignore !== present.length)) {
    refuse(
      `ignore label ${JSON.stringify(ignored.list ? ignored.values : ignore)}`,
      `the highest value, ${present.length}`,
      "renumber the ignore label",
    );
  }
  const common = { declared: entries.length, ignore };
  if (classes.every(({ values }) => values.length === 1)) {
    const foreground = present.slice(1).map((value): ForegroundClass => {
      const named = classes.filter(({ values }) => values[0] === value);
      if (named.length > 1) {
        refuse(
          `labels ${named.map(({ name }) => name).join(" and ")} with the same value ${value}`,
          "one name a value",
          "remove one of them",
        );
      }
      return { name: named[0].name, values: [value] };
    });
    return { kind: "labels", foreground, outputs: present.length, regionsClassOrder: null, ...common };
  }
  const foreground = classes.filter(({ values }) => values.some((value) => value !== 0))
    .map(({ name, values }): ForegroundClass => ({ name, values }));
  const numbered = foreground.find(({ name }) => /^\d+$/.test(name));
  if (numbered) {
    refuse(
      `a region named ${numbered.name}`,
      "names that are no numbers",
      "rename it: JSON does not keep the order of numbers",
    );
  }
  const withBackground = foreground.find(({ values }) => values.includes(0));
  if (withBackground) {
    refuse(
      `background in region ${withBackground.name}`,
      "foreground values only",
      "remove 0 from that region",
    );
  }
  const order = json.regions_class_order;
  if (
    !Array.isArray(order) || order.length !== foreground.length ||
    !order.every((value) => present.includes(value) && value !== 0)
  ) {
    refuse(
      `regions_class_order ${JSON.stringify(order) ?? "missing"}`,
      `${foreground.length} of the label values, one for each region in the order of labels`,
      "say which value each region writes into a segmentation, later over earlier",
    );
  }
  return {
    kind: "regions",
    foreground,
    outputs: foreground.length,
    regionsClassOrder: order as number[],
    ...common,
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
