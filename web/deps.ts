/** Third-party modules of the dashboard's server, pinned. */
export { type Context, Hono } from "npm:hono@4.13.19";
export { renderToString } from "npm:preact-render-to-string@6.8.2";
export { default as uplotStyles } from "npm:uplot@1.6.32/dist/uPlot.min.css" with { type: "text" };
