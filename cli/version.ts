import configuration from "../deno.json" with { type: "json" };

/** Version of Spark3D, from deno.json. */
export const spark3dVersion: string = configuration.version;

/** The Deno version that Spark3D is tested with; `spark3d` installs it when it is missing. */
export const testedDenoVersion = "2.9.6";
