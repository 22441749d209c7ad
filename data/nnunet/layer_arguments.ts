import { z } from "../deps.ts";
import { DataError } from "../errors.ts";

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

/** A network with layers that cannot be computed here, in a plan. */
export class LayerError extends DataError {}

const { eps } = LAYER_ARGUMENTS.norm_op_kwargs;
const exactly = <T extends boolean | number>(value: T) => z.literal(value, `wanted ${value}`);
/** The name of a class, whatever module of PyTorch it is in. */
const named = (name: string) =>
  z.string(`wanted ${name}`).regex(new RegExp(`(^|\\.)${name}$`), `wanted ${name}`);

/** The layers that are computed here, those of nnU-Net; what may be absent has the default of PyTorch. */
export const layerSchema = z.object({
  conv_op: named("Conv3d"),
  conv_bias: exactly(true),
  norm_op: named("InstanceNorm3d"),
  norm_op_kwargs: z.object({ eps: exactly(eps).default(eps), affine: exactly(true) }, "wanted affine true"),
  dropout_op: z.null("wanted null, or p 0: dropout is not supported").default(null),
  dropout_op_kwargs: z.unknown().optional().transform(() => null),
  nonlin: named("LeakyReLU"),
  nonlin_kwargs: z.looseObject({ negative_slope: exactly(0.01).optional() }, "wanted its settings").nullish()
    .transform((given): Readonly<Record<string, unknown>> => given ?? {}),
  nonlin_first: exactly(false).optional(),
});

/** Arguments without a dropout that drops nothing. */
export function withoutIdleDropout(given: unknown): unknown {
  if (typeof given !== "object" || given === null || !("dropout_op_kwargs" in given)) return given;
  const { dropout_op_kwargs: settings } = given as {
    readonly dropout_op_kwargs: { readonly p?: unknown } | null;
  };
  return settings?.p === 0 ? { ...given, dropout_op: null } : given;
}

/** What is wrong with layers: the path and the value that were found, and what was wanted. */
export interface LayerFault {
  readonly found: string;
  readonly wanted: string;
}

/** The first argument of a network that names layers that are not computed here; absent arguments count as computed. */
export function layerFault(given: unknown): LayerFault | null {
  const { error } = layerSchema.partial().safeParse(withoutIdleDropout(given), { reportInput: true });
  return layerIssue(error?.issues ?? []);
}

/** The first issue about layers, of all that were found in plans, inputs reported. */
export function layerIssue(issues: readonly z.core.$ZodIssue[]): LayerFault | null {
  const issue = issues.find(({ path }) => path.some((part) => part in layerSchema.shape));
  if (issue === undefined) return null;
  const { path, input, message } = issue;
  const value = (JSON.stringify(input) ?? "missing").slice(0, 80);
  return { found: `${path.join(".")} ${value}`, wanted: message.replace(/^wanted /, "") };
}
