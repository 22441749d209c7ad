/** Layers of every network that nnU-Net plans, as its plans name them. */
export const LAYER_ARGUMENTS = {
  conv_op: "torch.nn.modules.conv.Conv3d",
  conv_bias: true,
  norm_op: "torch.nn.modules.instancenorm.InstanceNorm3d",
  norm_op_kwargs: { eps: 1e-5, affine: true },
  dropout_op: null,
  dropout_op_kwargs: null,
  nonlin: "torch.nn.LeakyReLU",
  nonlin_kwargs: { inplace: true },
} as const;

/** Arguments that are names of classes. */
export const IMPORTED_ARGUMENTS = ["conv_op", "norm_op", "dropout_op", "nonlin"] as const;
