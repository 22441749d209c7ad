/** Names of the planners. */
export type PlannerName = "plain" | "resenc-m" | "resenc-l" | "resenc-xl";

/** What distinguishes one planner of nnU-Net from another. */
export interface Planner {
  /** Class of nnU-Net that plans so. */
  readonly className: string;
  readonly plansName: string;
  readonly network: "plain" | "residual";
  /** Elements of all convolution outputs that a batch of two may have with `nominalGb` of GPU memory. */
  readonly reference: number;
  /** GiB of GPU memory that `reference` belongs to. */
  readonly nominalGb: number;
  /** Share of the data set's voxels that one batch may cover. */
  readonly cover: number;
  /** Residual blocks or convolutions of encoder stage s; the last entry repeats. */
  readonly encoder: readonly number[];
  /** Convolutions of every decoder stage. */
  readonly decoder: number;
}

const RESIDUAL = { network: "residual", cover: 1, encoder: [1, 3, 4, 6], decoder: 1 } as const;

/** The planners of nnU-Net v2. Source: `experiment_planners/{default,residual_unets}` */
export const PLANNERS: Readonly<Record<PlannerName, Planner>> = {
  "plain": {
    className: "ExperimentPlanner",
    plansName: "nnUNetPlans",
    network: "plain",
    reference: 560e6,
    nominalGb: 8,
    cover: 0.05,
    encoder: [2],
    decoder: 2,
  },
  "resenc-m": {
    ...RESIDUAL,
    className: "nnUNetPlannerResEncM",
    plansName: "nnUNetResEncUNetMPlans",
    reference: 680e6,
    nominalGb: 8,
  },
  "resenc-l": {
    ...RESIDUAL,
    className: "nnUNetPlannerResEncL",
    plansName: "nnUNetResEncUNetLPlans",
    reference: 2.1e9,
    nominalGb: 24,
  },
  "resenc-xl": {
    ...RESIDUAL,
    className: "nnUNetPlannerResEncXL",
    plansName: "nnUNetResEncUNetXLPlans",
    reference: 3.6e9,
    nominalGb: 40,
  },
};
