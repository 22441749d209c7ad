/** The volume viewer's module, pinned: large, so it is in a bundle of its own. */
export { Niivue, NVImage, SLICE_TYPE } from "npm:@niivue/niivue@0.69.0";
