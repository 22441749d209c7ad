/** Case ids of one fold, each list ascending. */
export interface CaseSplit {
  readonly train: readonly string[];
  readonly val: readonly string[];
}
