/** Third-party modules of these tests, pinned: an independent reader of what data/zarr/ writes. */
export { get, open, root } from "npm:zarrita@0.7.5";
export { default as FileSystemStore } from "npm:@zarrita/storage@0.2.0/fs";
