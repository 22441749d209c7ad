import type { ConfigurationPlan } from "../../data/nnunet/plans.ts";
import type { NetworkConfig } from "../../model/config.ts";

/** The network that a plan's configuration describes. @throws {ConfigError} when it is none that can be built */
export declare function networkFromPlan(
  configuration: ConfigurationPlan,
  inputChannels: number,
  outputs: number,
  deepSupervision: boolean,
): NetworkConfig;
