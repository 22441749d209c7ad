import { killPrepare } from "../support/kill_prepare.ts";

Deno.test({
  name: "spark3d prepare: killed fifty times at random moments and run again, the stores have the same bytes",
  ignore: Deno.build.os === "windows",
  fn: () => killPrepare(50, 50),
});
