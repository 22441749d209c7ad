import { temporaryName } from "../../data/atomic.ts";
import { toDataError } from "../../data/errors.ts";
import type { CaseGeometry } from "../../data/labelled/case_geometry.ts";
import { layoutHeader } from "../../data/safetensors.ts";
import type { OutputBox } from "./stream_volume.ts";

/**
 * Probabilities of a case, written as boxes come: `<id>.safetensors` with `probabilities`, F16 `[C, D, H, W]`.
 *
 * The grid is that of the crop before resampling, along the array axes; metadata `geometry` (a `CaseGeometry`, JSON) says where it lies
 * in the file, and `classes` what the channels are.
 */
export class ProbabilitiesFile implements AsyncDisposable {
  #done = false;

  private constructor(
    readonly path: string,
    private readonly temporary: string,
    private readonly file: Deno.FsFile,
    private readonly start: number,
    private readonly shape: readonly number[],
  ) {}

  /** @param classes name of every channel @throws {DataError} when the file cannot be written */
  static async create(
    path: string,
    geometry: CaseGeometry,
    classes: readonly string[],
  ): Promise<ProbabilitiesFile> {
    const shape = [classes.length, ...geometry.shapeAfterCropping];
    const metadata = {
      format: "spark3d-probabilities-1",
      geometry: JSON.stringify(geometry),
      classes: JSON.stringify(classes),
    };
    const { header } = layoutHeader(new Map([["probabilities", { dtype: "F16", shape }]]), metadata, path);
    const temporary = temporaryName(path);
    try {
      const file = await Deno.open(temporary, { write: true, createNew: true });
      const probabilities = new ProbabilitiesFile(path, temporary, file, header.length, shape);
      await probabilities.#write(0, header);
      return probabilities;
    } catch (error) {
      throw toDataError(error, path, "write");
    }
  }

  /** Writes the samples of a box. @throws {DataError} when the disk is full */
  async put({ start, size: [planes, rows, columns], samples }: OutputBox): Promise<void> {
    const [channels, d, h, w] = this.shape;
    const halves = new Float16Array(samples!);
    const each = rows * columns;
    for (let c = 0; c < channels; c++) {
      for (let z = 0; z < planes; z++) {
        const from = (c * planes + z) * each;
        const at = ((c * d + start[0] + z) * h + start[1]) * w;
        await this.#write(this.start + 2 * at, new Uint8Array(halves.buffer, 2 * from, 2 * each));
      }
    }
  }

  /** Gives the file its name: everything is there. @throws {DataError} when that is not possible */
  async finish(): Promise<void> {
    try {
      await this.file.sync();
      await Deno.rename(this.temporary, this.path);
      this.#done = true;
    } catch (error) {
      throw toDataError(error, this.path, "write");
    }
  }

  async #write(at: number, bytes: Uint8Array): Promise<void> {
    try {
      await this.file.seek(at, Deno.SeekMode.Start);
      for (let from = 0; from < bytes.length;) from += await this.file.write(bytes.subarray(from));
    } catch (error) {
      throw toDataError(error, this.path, "write");
    }
  }

  /** Closes the file; one that was not finished is removed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.file.close();
    if (!this.#done) await Deno.remove(this.temporary).catch(() => {});
  }
}
