import assert from "node:assert/strict";
import { discover } from "../../data/discovery/mod.ts";
import { readNifti } from "../../data/formats/nifti/read_nifti.ts";
import { writeNifti } from "../../data/formats/nifti/write_nifti.ts";
import { axisCodes } from "../../data/orientation.ts";
import { pretrainEntries } from "../../data/pretrain_data.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { sharedData } from "../support/shared_data.ts";
import { spawn } from "../support/spawn.ts";
import { assertAllClose } from "../support/tolerance.ts";

/** A Python that has nibabel: the one on the path, or Debian's own. */
async function findPython(): Promise<string | null> {
  for (const python of ["python3", "/usr/bin/python3"]) {
    if ((await spawn(python, ["-c", "import nibabel"]).catch(() => null))?.code === 0) return python;
  }
  console.log(
    "The comparison with nibabel is skipped: no python3 can import nibabel (Debian package python3-nibabel)",
  );
  return null;
}

const python = await findPython();

/** Prints what nibabel reads from a file, one JSON object. */
const REPORT = `
import sys, json, hashlib
import numpy as np, nibabel as nib
image = nib.load(sys.argv[1])
values = np.asarray(image.get_fdata(), dtype=np.float32)
voxels = np.ascontiguousarray(values.transpose(2, 1, 0))
print(json.dumps({
  "shape": list(voxels.shape), "affine": image.affine.flatten().tolist(), "codes": "".join(nib.aff2axcodes(image.affine)),
  "sha256": hashlib.sha256(voxels.tobytes()).hexdigest(), "zooms": [float(z) for z in image.header.get_zooms()],
  "qform": image.header.get_qform().flatten().tolist(), "sform": image.header.get_sform().flatten().tolist(),
  "form_codes": [int(image.header["qform_code"]), int(image.header["sform_code"])],
  "units": image.header.get_xyzt_units(),
}))
`;

interface NibabelReport {
  readonly shape: number[];
  readonly affine: number[];
  readonly codes: string;
  readonly sha256: string;
  readonly zooms: number[];
  readonly qform: number[];
  readonly sform: number[];
  readonly form_codes: number[];
  readonly units: string[];
}

async function nibabelReport(path: string): Promise<NibabelReport> {
  const { code, stdout, stderr } = await spawn(python!, ["-c", REPORT, path]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

async function sha256(data: Float32Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data as Float32Array<ArrayBuffer>));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

Deno.test({
  name: "every real volume reads as nibabel reads it, and what is written reads the same there",
  ignore: sharedData === null || python === null,
  fn: () => compareWithNibabel(sharedData!),
});

async function compareWithNibabel(shared: string): Promise<void> {
  const bids = pretrainEntries(await discover(`${shared}/bids`)).map(({ image }) => image.image_path);
  const others = [
    "odd/ct-sheared-sform-scl.nii.gz",
    ...["RAS", "LPI", "AIL", "PSR"].map((code) => `orientation/${code}.nii.gz`),
  ];
  await withFolder(async (folder) => {
    for (const path of [...bids, ...others.map((name) => `${shared}/${name}`)]) {
      const volume = await readNifti(path), original = await nibabelReport(path);
      assert.deepEqual([...volume.shape], original.shape);
      assertAllClose(volume.affine, original.affine, { atol: 1e-6, rtol: 1e-6 }, `affine of ${path}`);
      assert.equal(axisCodes(volume.affine), original.codes);
      assertAllClose(
        [...volume.spacing].reverse(),
        original.zooms,
        { atol: 2e-5, rtol: 2e-5 },
        `spacing of ${path}`,
      );
      assert.equal(await sha256(volume.data), original.sha256, path);

      await writeNifti(`${folder}/copy.nii.gz`, volume);
      const copy = await nibabelReport(`${folder}/copy.nii.gz`);
      assert.deepEqual({ ...copy, zooms: 0 }, { ...original, zooms: 0 });
      assertAllClose(copy.zooms, original.zooms, { atol: 0, rtol: 0 });
    }
  });
}
