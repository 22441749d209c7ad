import { ChartBoard } from "./islands/chart_board.tsx";
import { MemoryPlanPanel } from "./islands/memory_plan.tsx";
import { RunEvents } from "./islands/run_events.tsx";
import { RunNotes } from "./islands/run_notes.tsx";
import { RunStatus } from "./islands/run_status.tsx";
import { RunTable } from "./islands/run_table.tsx";
import { SliceViewer } from "./islands/slice_viewer.tsx";
import { StoredPictures } from "./islands/stored_pictures.tsx";
import { ThemeSwitch } from "./islands/theme_switch.tsx";
import { VolumeViewer } from "./islands/volume_viewer.tsx";

/** Every island by name: the components that also run in the browser. */
export const islands = {
  ChartBoard,
  MemoryPlanPanel,
  RunEvents,
  RunNotes,
  RunStatus,
  RunTable,
  SliceViewer,
  StoredPictures,
  ThemeSwitch,
  VolumeViewer,
};
