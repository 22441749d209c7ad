/** Third-party modules of cli/, pinned. */
export {
  Command,
  CommanderError,
  InvalidArgumentError,
  Option,
} from "npm:@commander-js/extra-typings@15.1.0";
export type { CommandUnknownOpts } from "npm:@commander-js/extra-typings@15.1.0";
