import { z } from "../../train/deps.ts";

/** Tasks of the low-data study: two on generated heads, one on the halves of a real labelled head. */
export const studyTasks = ["structures", "lesions", "half-head"] as const;
/** What a network starts from: random weights, a plain masked auto-encoder, or a sparse one. */
export const studyMethods = ["scratch", "mae", "s3d"] as const;

/** One of {@linkcode studyTasks}. */
export type StudyTask = (typeof studyTasks)[number];
/** One of {@linkcode studyMethods}. */
export type StudyMethod = (typeof studyMethods)[number];

const count = z.int().positive();
const settings = z.record(z.string(), z.unknown());

const candidate = z.strictObject({
  name: z.string().regex(/^[\w.-]+$/, "letters, digits, _ . and - only").describe("names a folder"),
  finetuning: settings.default({}).describe("settings of fine-tuning that differ"),
  transferDecoder: z.boolean().default(false).describe("also take the decoder's weights"),
});

/** Way to fine-tune that a study tries; `z.infer` of its schema. */
export type StudyCandidate = z.infer<typeof candidate>;

const candidates = z.array(candidate).min(1).default([{
  name: "default",
  finetuning: {},
  transferDecoder: false,
}]).check(({ value, issues }) => {
  const names = value.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    issues.push({ code: "custom", message: `Found two candidates named ${twice}: rename one`, input: value });
  }
});

/** Schema of a low-data study. What is left out takes the value of the committed small study. */
export const studyConfigSchema = z.strictObject({
  seed: z.int().nonnegative().default(0).describe("seed of the order of labelled cases and of the bootstrap"),
  tasks: z.array(z.enum(studyTasks)).min(1).default(["structures", "lesions"]),
  methods: z.array(z.enum(studyMethods)).min(1).default(["scratch", "mae", "s3d"]),
  labelled: z.array(count).min(1).default([1, 2, 5, 10]).describe(
    "numbers of labelled cases; each subset holds the smaller ones",
  ),
  seeds: count.default(3).describe("fine-tuning runs of each combination"),
  spacing: z.number().positive().default(3).describe(
    "mm between voxels, of the generated heads and of training",
  ),
  cohort: z.strictObject({
    seed: z.int().nonnegative().default(1),
    unlabelled: count.default(40).describe("heads of pre-training, all three contrasts, half with lesions"),
    pool: count.default(10).describe("labelled heads to train on"),
    development: count.default(4).describe("labelled heads on which settings are chosen"),
    test: count.default(12).describe("locked labelled heads, generated and evaluated by --final only"),
  }).prefault({}),
  head: z.strictObject({
    image: z.string(),
    label: z.string(),
    classes: z.array(z.string()).min(1),
  }).nullable().default(null).describe(
    "labelled head of the half-head task: left half trains, right half, mirrored, tests",
  ),
  unlabelled: z.string().nullable().default(null).describe(
    "folder of real unlabelled volumes that join the generated ones in pre-training; must not hold the labelled head",
  ),
  pretraining: settings.default({
    patch: [32, 32, 32],
    batch: { size: 2 },
    epochs: 25,
    stepsPerEpoch: 100,
    validation: { patches: 24, everyEpochs: 5 },
    checkpointEveryEpochs: 5,
    metricsEvery: 25,
  }).describe("settings of pre-training, over the preset demo; the method sets network.kind"),
  finetuning: settings.default({
    epochs: 6,
    stepsPerEpoch: 50,
    validationSteps: 4,
    batch: { size: 2, micro: 2 },
    schedule: { kind: "warmup", warmupEpochs: 1 },
    optimizer: { kind: "adamw", lr: 2e-2, weightDecay: 1e-2 },
    metricsEvery: 25,
  }).describe("settings of every fine-tuning run, over the preset demo"),
  candidates: z.strictObject({ scratch: candidates, mae: candidates, s3d: candidates }).prefault({}).describe(
    "ways to fine-tune each method; where there are several, every task takes the one with the best mean Dice on its " +
      "development cases, in a run with a seed of its own",
  ),
  choiceLabelled: count.default(2).describe("labelled cases of the runs that choose among candidates"),
}).check(({ value, issues }) => {
  const fault = (path: PropertyKey[], message: string, input: unknown) =>
    issues.push({ code: "custom", path, message, input });
  const largest = Math.max(...value.labelled, value.choiceLabelled);
  const phantoms = value.tasks.some((task) => task !== "half-head");
  if (phantoms && largest > value.cohort.pool) {
    fault(
      ["labelled"],
      `Found ${largest} labelled cases, the pool has ${value.cohort.pool}: enlarge it`,
      largest,
    );
  }
  if (value.tasks.includes("half-head") && value.head === null) {
    fault(["head"], "The half-head task needs a labelled head: give image, label and classes", null);
  }
});

/** A complete low-data study; `z.infer` of {@linkcode studyConfigSchema}. */
export type StudyConfig = z.infer<typeof studyConfigSchema>;
