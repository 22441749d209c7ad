/** Third-party modules of train/, pinned, so that the folder can also be imported by URL. */
export * as z from "npm:zod@4.6.7";
