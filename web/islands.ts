import { MemoryPlanPanel } from "./islands/memory_plan.tsx";
import { SliceViewer } from "./islands/slice_viewer.tsx";
import { StoredPictures } from "./islands/stored_pictures.tsx";
import { VolumeViewer } from "./islands/volume_viewer.tsx";

/** Every island by name: the components that also run in the browser. */
export const islands = { MemoryPlanPanel, SliceViewer, StoredPictures, VolumeViewer };
