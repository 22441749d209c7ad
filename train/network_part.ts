/** Part of the network that a node's scope belongs to. */
export function networkPart(node: string): string {
  const encoder = node.match(/encoder\.(stem|stages\.\d+)/);
  if (encoder) return `encoder ${encoder[1].replace("stages.", "stage ")}`;
  const decoder = node.match(/decoder\.(transpconvs|stages|seg_layers)\.(\d+)/);
  if (decoder) {
    return decoder[1] === "seg_layers"
      ? `head ${decoder[2]}`
      : `decoder ${decoder[2]}${decoder[1] === "stages" ? "" : " transposed"}`;
  }
  const densify = node.match(/densify(?:_projs)?\.(\d+)/);
  return densify ? `densification ${densify[1]}` : node.match(/^(loss|mask)\b/)?.[1] ?? "other";
}
