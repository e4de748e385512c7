"""Writing patches images: patches one below the other, and beside them a JSON that describes them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ..base.jsonvalues import Json, OddJson, parse
from ..base.progress import Progress
from ..classes.legend import Legend, from_rows, legend_in
from ..errors import ParameterError
from ..files.memoryfiles import read_text
from ..files.staging import Staging
from ..geometry.grid import Axis, Box, Grid
from ..phrases import Phrase
from ..rasters.conversion import Converter
from ..rasters.outputfields import NO_FIELDS, OutputFields
from ..rasters.outputtrial import Content
from ..rasters.rasteroutput import OutputRaster, driver_for
from ..rasters.rasterreference import Reference
from ..samples.bandstatistics import BandStatistics

_STATISTICS = ("min", "max", "mean", "std")

VERSION = 1

_LARGEST = 512 << 20  # bytes: it names the group of every patch
_GROUPS = re.compile(r"\s*(?:\d{1,9}(?:\s+|$))*")
"""Of the JSON's form; raised when a reader of the older form would misread the newer one."""

_STRIP = 1 << 20  # bytes in a strip of the TIFF file


class PatchesImage:
    """A patches image that is being written: width of a patch, height of all patches together, no CRS.

    Attributes:
        staging: where it is made.
        statistics: of what was written.
        convert: counts the values that its pixel type does not hold.
    """

    def __init__(
        self,
        staging: Staging,
        count: int,
        shape: tuple[int, int, int],
        dtype: np.dtype,
        content: Content,
        options: Sequence[str] = (),
        fields: OutputFields = NO_FIELDS,
        gap: float | None = None,
    ) -> None:
        """Create it.

        Args:
            staging: where it is made.
            count: number of patches.
            shape: height, width and bands of a patch.
            dtype: of the pixels written; values are clamped to it and their fractions cut off.
            content: what the values are.
            options: creation options `NAME=VALUE`; they win over those for fast reading.
            fields: the parameters that say how it is written, for messages.
            gap: what stands for missing values, which do not count in statistics; None where there are none.

        Raises:
            ParameterError, RasterError: it cannot be created.
        """
        self.staging, self._shape, self.dtype = staging, shape, np.dtype(dtype)
        arguments = _as_raster(staging, count, shape, self.dtype, options)
        self._image = OutputRaster(staging, **arguments, content=content, fields=fields)
        self.convert = Converter(self.dtype, 0.0)
        self._written, self._gap = 0, gap
        self.statistics = BandStatistics(shape[2])
        self._beside = ThreadPoolExecutor(1)  # statistics are computed while GDAL writes

    def write(self, patches: np.ndarray) -> np.ndarray:
        """Append patches of shape (n, height, width, bands), and return them as they were written."""
        height, width, bands = self._shape
        values = self.convert(patches)
        box = Box(0, self._written * height, width, len(values) * height)
        added = self._beside.submit(self.statistics.add, without_gaps(values, self._gap))
        self._image.write(box, values.reshape(box.height, width, bands))
        self._image.dataset.FlushCache()  # written in order: nothing comes back to what is behind
        added.result()
        self._written += len(values)
        return values

    def close(self, progress: Progress) -> None:
        """Close and check the file, still in its staging folder."""
        self._beside.shutdown()
        self._image.close(progress)


def without_gaps(values: np.ndarray, gap: float | None) -> np.ndarray:
    """Return values with NaN in place of `gap`, which stands for missing ones; None where there are none."""
    if gap is None or gap != gap or not (found := values == gap).any():
        return values
    return np.where(found, np.nan, values)


def try_patches(
    staging: Staging,
    count: int,
    shape: tuple[int, int, int],
    dtype: np.dtype,
    content: Content,
    options: Sequence[str] = (),
    fields: OutputFields = NO_FIELDS,
) -> None:
    """Make sure that a patches image of the same arguments would hold its values, before patches are cut.

    Raises:
        ParameterError, RasterError: it would not.
    """
    arguments = _as_raster(staging, count, shape, np.dtype(dtype), options)
    OutputRaster.try_out(staging, **arguments, content=content, fields=fields)


def _as_raster(
    staging: Staging, count: int, shape: tuple[int, int, int], dtype: np.dtype, options: Sequence[str]
) -> dict[str, Any]:
    """Return the arguments of `OutputRaster`."""
    height, width, bands = shape
    driver = driver_for(str(staging.final))
    rows = max(1, _STRIP // (width * bands * dtype.itemsize * height)) * height
    fast = {"TILED": "NO", "BLOCKYSIZE": str(min(rows, count * height)), "COMPRESS": "NONE"}
    given = {name.upper(): value for name, _, value in (option.partition("=") for option in options)}
    if driver.ShortName == "GTiff":
        given = {**(fast if given.get("TILED", "NO").upper() == "NO" else {}), **given}
    return {
        "grid": Grid(Axis(0.0, 1.0, width), Axis(0.0, 1.0, count * height)),
        "bands": bands,
        "dtype": dtype,
        # As QGIS shows it (see PIXELS_UPWARDS); other formats would need a further file for it.
        "reference": Reference("", driver.ShortName == "GTiff"),
        "driver": driver,
        "options": [f"{name}={value}" for name, value in given.items()],
    }


def write_description(staging: Staging, content: Mapping[str, Any]) -> None:
    """Write the JSON of the output that is made in `staging`: `<file name>.json` beside it."""
    text = json.dumps({"version": VERSION, **content}, indent=1, ensure_ascii=False)
    description = staging.folder / f"{staging.final.name}.json"
    description.write_text(text + "\n", encoding="utf-8")


def read_description(path: str) -> dict[str, Any]:
    """Return the JSON beside the patches image `path`; empty if there is none, or one of another program.

    Raises:
        ParameterError: it is damaged, or says what cannot be: sizes, statistics and groups depend on it.
    """
    file = f"{path}.json"
    try:
        if os.path.isfile(file) and os.path.getsize(file) > _LARGEST:
            raise _odd(path, OddJson(Phrase("it has {getsize:.0f} MB", getsize=os.path.getsize(file) / 1e6)))
        text = read_text(file)
    except OSError:
        return {}
    except ValueError as error:
        raise _odd(path, error) from error
    try:
        content = parse(text, _LARGEST)
        if not content.has("version") or content.value["version"] != VERSION:
            return {}
        _check_description(content)
    except OddJson as error:
        raise _odd(path, error) from error
    found = {name: item.value for name, item in content.fields() if item.value is not None}
    if "statistics" in found:
        found["statistics"] = [{**dict.fromkeys(_STATISTICS), **row} for row in found["statistics"]]
    return found


def _odd(path: str, error: ValueError) -> ParameterError:
    return ParameterError(
        "{path}.json describes the patches of {path}, but cannot be used: {error}. Extract the patches again; where "
        "they are square and without classes, it can be deleted instead.",
        path=path,
        error=error,
    )


def _check_description(content: Json) -> None:
    for name in ("patch_width", "patch_height", "bands", "patches"):
        if content.has(name):
            content[name].whole(1, 2**31)
    for name in ("content", "pixel_type", "points", "field"):
        if content.has(name):
            content[name].text()
    if content.has("sources"):
        for source in content["sources"].items():
            source.text()
    if content.has("band_names"):
        for band in content["band_names"].items():
            band.text()
    if content.has("nodata"):
        _number(content["nodata"])
    if content.has("classes"):
        legend_in(content["classes"])
    if content.has("groups") and not _GROUPS.fullmatch(content["groups"].text(_LARGEST)):
        raise content["groups"].odd(Phrase("a text of whole numbers"))
    if content.has("statistics"):
        _check_statistics(content["statistics"].items(), content.get("bands"))


def gap_of(description: Mapping[str, Any]) -> float:
    """Return what stands for missing values in patches; NaN, which always does, where nothing else is described."""
    return float(description.get("nodata", "nan"))


def _number(written: Json) -> float:
    try:
        return float(written.text(100))
    except ValueError:
        raise written.odd(Phrase("a number in a text")) from None


def _check_statistics(rows: Sequence[Json], bands: Json | None) -> None:
    for row in rows:
        for name in _STATISTICS:
            value = row.get(name)
            if value is not None:  # a band without a number has none
                value.number(0 if name == "std" else -1e300, 1e300)
    if bands and len(rows) != bands.value:
        raise bands.odd(Phrase("as many as there are statistics ({rows_count})", rows_count=len(rows)))


def rows_legend(description: Mapping[str, Any]) -> Legend:
    """Return the classes that a description lists; empty where it has none that can be read."""
    try:
        return from_rows(description.get("classes", ()))
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


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
