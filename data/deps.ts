/** Third-party modules of data/, pinned. */
export { z } from "npm:zod@4.6.7";
