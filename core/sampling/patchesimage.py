"""Writing patches images: patches one below the other, and beside them a JSON that says what they are."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ..geometry.grid import Axis, Box, Grid
from ..progress import Progress
from ..rasters.opening import Reference
from ..rasters.output import OutputRaster, Staging, driver_for
from ..serving.convert import Converter

VERSION = 1
"""Of the JSON's form; raised when a reader of the older form would misread the newer one."""

_STRIP = 1 << 20  # bytes in a strip of the TIFF file
_VALUES = 1 << 16  # pixels whose statistics are computed at a time: they stay in the processor's cache


class BandStatistics:
    """Smallest, largest, mean and standard deviation per band, of values that come in parts; NaN and infinity are left out."""

    def __init__(self, bands: int) -> None:
        self._count = np.zeros(bands)
        self._shift: np.ndarray | None = None
        self._sum, self._squares = np.zeros(bands), np.zeros(bands)
        self._low, self._high = np.full(bands, np.inf), np.full(bands, -np.inf)

    def add(self, values: np.ndarray) -> None:
        """Take values of shape (..., bands)."""
        values = values.reshape(-1, len(self._count))
        for start in range(0, len(values), _VALUES):
            self._add(values[start : start + _VALUES])

    def _add(self, values: np.ndarray) -> None:
        by_band = values.T.astype("float64", order="C")
        if self._shift is None:  # near the mean, so that the squares do not swallow small differences
            head = np.ma.masked_invalid(by_band[:, : 1 << 10])
            self._shift = head.mean(axis=1).filled(0.0)[:, None]
        known = np.isfinite(by_band) if values.dtype.kind == "f" else np.True_
        if np.all(known):
            self._count += len(values)
            self._low = np.minimum(self._low, by_band.min(axis=1))
            self._high = np.maximum(self._high, by_band.max(axis=1))
            by_band -= self._shift
        else:
            self._count += known.sum(axis=1)
            self._low = np.minimum(self._low, np.where(known, by_band, np.inf).min(axis=1))
            self._high = np.maximum(self._high, np.where(known, by_band, -np.inf).max(axis=1))
            by_band = np.where(known, by_band - self._shift, 0.0)
        self._sum += by_band.sum(axis=1)
        self._squares += np.einsum("bi,bi->b", by_band, by_band)

    @property
    def counts(self) -> list[float]:
        """How many numbers each band has."""
        counts: list[float] = self._count.tolist()
        return counts

    def rows(self) -> list[dict[str, float | None]]:
        """Return a dictionary of min, max, mean and std per band; None where a band has no number."""
        shift = 0.0 if self._shift is None else self._shift[:, 0]
        with np.errstate(invalid="ignore", divide="ignore"):
            offset = self._sum / self._count
            deviation = np.sqrt(np.maximum(self._squares / self._count - offset**2, 0.0))
        table = np.stack((self._low, self._high, shift + offset, deviation), axis=1).tolist()
        return [
            {name: value if math.isfinite(value) else None for name, value in zip(("min", "max", "mean", "std"), row)}
            for row in table
        ]


class PatchesImage:
    """A patches image that is being written: width of a patch, height of all patches together, no CRS.

    Attributes:
        staging: where it is made.
        statistics: of what was written.
    """

    def __init__(self, staging: Staging, count: int, shape: tuple[int, int, int], dtype: np.dtype) -> None:
        """Create it.

        Args:
            staging: where it is made.
            count: number of patches.
            shape: height, width and bands of a patch.
            dtype: of the pixels written; values are clamped to it and their fractions cut off.

        Raises:
            ParameterError, RasterError: it cannot be created.
        """
        self.staging, self._shape, self.dtype = staging, shape, np.dtype(dtype)
        height, width, bands = shape
        driver = driver_for(str(staging.final))
        row = width * bands * self.dtype.itemsize
        rows = max(1, _STRIP // (row * height)) * height
        options = ["TILED=NO", f"BLOCKYSIZE={min(rows, count * height)}", "COMPRESS=NONE"]
        grid = Grid(Axis(0.0, 1.0, width), Axis(0.0, 1.0, count * height))
        self._image = OutputRaster(
            staging,
            grid,
            bands,
            self.dtype,
            Reference("", False),
            driver,
            options if driver.ShortName == "GTiff" else (),
        )
        self._convert = Converter(self.dtype, 0.0)
        self._written = 0
        self.statistics = BandStatistics(bands)
        self._beside = ThreadPoolExecutor(1)  # statistics are computed while GDAL writes

    def write(self, patches: np.ndarray) -> np.ndarray:
        """Append patches of shape (n, height, width, bands), and return them as they were written."""
        height, width, bands = self._shape
        values = self._convert(patches)
        box = Box(0, self._written * height, width, len(values) * height)
        added = self._beside.submit(self.statistics.add, values)
        self._image.write(box, values.reshape(box.height, width, bands))
        self._image.dataset.FlushCache()  # written in order: nothing comes back to what is behind
        added.result()
        self._written += len(values)
        return values

    def close(self, progress: Progress) -> None:
        """Close and check the file, still in its staging folder."""
        self._beside.shutdown()
        self._image.close(progress)


def write_description(staging: Staging, content: Mapping[str, Any]) -> None:
    """Write the JSON of the output that is made in `staging`: `<file name>.json` beside it."""
    text = json.dumps({"version": VERSION, **content}, indent=1, ensure_ascii=False)
    description = staging.folder / f"{staging.final.name}.json"
    description.write_text(text + "\n", encoding="utf-8")


def read_description(path: str) -> dict[str, Any]:
    """Return the JSON beside the patches image `path`; empty where there is none, or one of another form."""
    try:
        content = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and content.get("version") == VERSION else {}


def described_patches(
    shape: tuple[int, int, int],
    count: int,
    dtype: np.dtype,
    files: Sequence[str],
    statistics: BandStatistics,
    samples: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the description of a patches image.

    Args:
        shape: height, width and bands of a patch.
        count: number of patches.
        dtype: of the pixels.
        files: the images that they were cut from.
        statistics: of all pixels.
        samples: where the points came from: `points`, `field`, `labels`, `classes`, and `groups` (a text of one number
            per patch, the same for neighbours).
    """
    height, width, bands = shape
    return {
        "content": "patches",
        "patch_width": width,
        "patch_height": height,
        "bands": bands,
        "patches": count,
        "pixel_type": np.dtype(dtype).name,
        "sources": list(files),
        **samples,
        "statistics": statistics.rows(),
    }
