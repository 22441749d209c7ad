import { killPrepare } from "../support/kill_prepare.ts";

Deno.test({
  name: "spark3d prepare: killed five times at random moments and run again, the store has the same bytes",
  ignore: Deno.build.os === "windows",
  fn: () => killPrepare(5, 11),
});
