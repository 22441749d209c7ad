import { labelColour } from "../label_colours.ts";
import { Niivue, NVImage, SLICE_TYPE } from "./deps.ts";

/** How a volume is cut. */
export type VolumeView = "multiplanar" | "axial" | "coronal" | "sagittal" | "render";

/** A volume to show; `url` is fetched, `name` says its format. */
export interface VolumeSource {
  readonly url: string;
  readonly name: string;
}

/** What the viewer shows. */
export interface ViewerRequest {
  readonly canvas: HTMLCanvasElement;
  /** Grey values below the labels, null for labels alone. */
  readonly image: VolumeSource | null;
  readonly labels: VolumeSource | null;
  /** Names of the labels from 1. */
  readonly classes: readonly string[];
  /** Place and values under the crosshair, as one line. */
  readonly onLocation: (text: string) => void;
}

/** An open viewer. */
export interface VolumeViewer {
  /** From 0 to 1. */
  setLabelOpacity(opacity: number): void;
  setView(view: VolumeView): void;
  /** Saves what is shown as a PNG file of the browser's user. */
  savePicture(name: string): void;
  /** Frees what it holds on the GPU and stops listening. */
  close(): void;
}

const VIEWS: Readonly<Record<VolumeView, SLICE_TYPE>> = {
  multiplanar: SLICE_TYPE.MULTIPLANAR,
  axial: SLICE_TYPE.AXIAL,
  coronal: SLICE_TYPE.CORONAL,
  sagittal: SLICE_TYPE.SAGITTAL,
  render: SLICE_TYPE.RENDER,
};

/**
 * Shows a volume with labels over it.
 *
 * @throws {Error} if WebGL2 is missing, or a file cannot be fetched or decoded
 */
export async function openViewer(request: ViewerRequest): Promise<VolumeViewer> {
  const { canvas, image, labels, classes, onLocation } = request;
  if (!document.createElement("canvas").getContext("webgl2")) {
    throw new Error(
      "Cannot show volumes: this browser has no WebGL2: allow hardware acceleration in its settings, or download the file",
    );
  }
  const viewer = new Niivue({
    logLevel: "error",
    loadingText: "",
    dragAndDropEnabled: false,
    show3Dcrosshair: true,
    crosshairWidth: 0.6,
    crosshairWidthUnit: "mm",
    crosshairColor: [1, 0.85, 0.2, 0.8],
    isNearestInterpolation: true,
    backColor: [0, 0, 0, 1],
  });
  viewer.onLocationChange = (location) => {
    const values = [...image ? ["intensity"] : [], ...labels ? ["label"] : []];
    onLocation(describeLocation(location as Location, values, classes));
  };
  await viewer.attachToCanvas(canvas);
  for (const [source, isLabel] of [[image, false], [labels, true]] as const) {
    if (source === null) continue;
    const volume = await NVImage.loadFromUrl({
      url: source.url,
      name: source.name,
      buffer: await fetchBytes(source),
    });
    if (isLabel) volume.setColormapLabel(labelTable(classes));
    viewer.addVolume(volume);
  }
  viewer.setSliceType(SLICE_TYPE.MULTIPLANAR);
  return {
    setLabelOpacity: (opacity) => {
      if (labels !== null) viewer.setOpacity(viewer.volumes.length - 1, opacity);
    },
    setView: (view) => viewer.setSliceType(VIEWS[view]),
    savePicture: (name) => viewer.saveScene(`${name}.png`),
    close: () => {
      viewer.cleanup();
      viewer.gl.getExtension("WEBGL_lose_context")?.loseContext();
    },
  };
}

/** What niivue tells about the crosshair: mm to the right, anterior, superior, and the value of each volume. */
interface Location {
  readonly mm: ArrayLike<number>;
  readonly values: readonly { readonly value: number }[];
}

const ENDS = [["left", "right"], ["posterior", "anterior"], ["inferior", "superior"]] as const;

function describeLocation(
  { mm, values }: Location,
  names: readonly string[],
  classes: readonly string[],
): string {
  const place = ENDS.map((ends, axis) =>
    `${Math.abs(Math.round(mm[axis]))} mm ${ends[mm[axis] < 0 ? 0 : 1]}`
  );
  const found = values.map(({ value }, i) =>
    names[i] === "label"
      ? `label ${value}${value > 0 ? ` ${classes[value - 1] ?? ""}` : " background"}`
      : `${names[i]} ${Number(value.toPrecision(4))}`
  );
  return `${place.join(", ")}: ${found.join(", ")}`;
}

async function fetchBytes({ url, name }: VolumeSource): Promise<ArrayBuffer> {
  const response = await fetch(url);
  if (response.ok) return await response.arrayBuffer();
  throw new Error(`Cannot load ${name}: the server answered ${response.status}: reload the page`);
}

/** Colours of the labels from 0 on; 0 is transparent. */
function labelTable(classes: readonly string[]) {
  const values = [...classes.keys()].map((i) => labelColour(i + 1));
  const channel = (at: number) => [0, ...values.map((colour) => colour[at])];
  return {
    R: channel(0),
    G: channel(1),
    B: channel(2),
    A: [0, ...values.map(() => 255)],
    I: [0, ...values.keys().map((i) => i + 1)],
    labels: ["", ...classes],
  };
}
