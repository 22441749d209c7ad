#!/usr/bin/env python3
"""scikit-image's side of the resampling benchmark: answers jobs from stdin until it closes. Started by run.ts.

Resizes as nnU-Net does: skimage.transform.resize of order 3 on float64 arrays with replicated edges, clipped, without
anti-aliasing; with one thick axis slice by slice, then the nearest slice along that axis with scipy's map_coordinates.
Needs scikit-image and numpy.
"""
import json
import sys
import time

import numpy
import scipy
import skimage
from scipy.ndimage import map_coordinates
from skimage.transform import resize

RESIZE = {"order": 3, "clip": True, "anti_aliasing": False, "mode": "edge"}


def resample(image, new_shape, axis):
    """float64 array of `new_shape`; `axis` is resampled apart from the others, None when none is."""
    if axis is None:
        return resize(image, new_shape, **RESIZE)
    in_plane = [n for a, n in enumerate(new_shape) if a != axis]
    slices = [resize(numpy.take(image, i, axis), in_plane, **RESIZE) for i in range(image.shape[axis])]
    planes = numpy.stack(slices, axis)
    if planes.shape[axis] == new_shape[axis]:
        return planes
    at = numpy.array(numpy.mgrid[tuple(slice(n) for n in new_shape)], dtype=float)
    for a in range(3):
        at[a] = planes.shape[a] / new_shape[a] * (at[a] + 0.5) - 0.5
    return map_coordinates(planes, at, order=0, mode="nearest")


def main():
    version = f"scikit-image {skimage.__version__}, scipy {scipy.__version__}, numpy {numpy.__version__}"
    print(json.dumps({"name": "scikit-image", "version": version}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        image = numpy.fromfile(job["file"], dtype="<f4").reshape(job["shape"]).astype(float)
        start = time.perf_counter()
        resized = resample(image, job["newShape"], job["separateAxis"])
        ms = (time.perf_counter() - start) * 1000
        samples = resized.ravel()[:: job["every"]].tolist()
        print(json.dumps({"ms": ms, "samples": samples}), flush=True)


if __name__ == "__main__":
    main()
