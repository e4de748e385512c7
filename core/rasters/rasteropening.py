"""Opening rasters: files, addresses, and what is open or in memory already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from osgeo import gdal

from ..base.addresses import address_of, masked
from ..errors import RasterError
from ..files import inputs
from ..files.gdalcalls import (
    ask_lazy,
    check_options,
    collected_errors,
    decoding_options,
    direct_reading,
    open_unchanged,
    reads_directly,
)
from ..geometry.grid import Grid
from ..parameters.rastersource import RasterSource, described
from ..phrases import Phrase
from .inmemory import Opened, name_of
from .messages import Reports
from .rasterfiles import check_whole, watch_files
from .remoterasters import Remote, open_remote
from .scaling import scaling

_OF_SYSTEM = {
    "No such file or directory": Phrase("No such file or directory"),
    "Permission denied": Phrase("Permission denied"),
    "Is a directory": Phrase("Is a directory"),
    "No space left on device": Phrase("No space left on device"),
}
"""What the system says in English."""


def open_dataset(source: Any) -> tuple[gdal.Dataset, Remote | None]:
    """Open a raster for reading.

    Args:
        source: what GDAL opens (a path, an http(s) address, a subdataset's name), such a `RasterSource` or the JSON
            object that it is in a request, an open dataset, or `Opened`.

    Returns:
        The dataset, and what is known of the file where it lies at an http(s) address.

    Raises:
        RasterError: it does not exist, is no raster, or has no bands.
    """
    source = described(source)
    if isinstance(source, (gdal.Dataset, Opened)):
        dataset = source.dataset if isinstance(source, Opened) else source
        _look_at(dataset, masked(name_of(source)), None)
        return dataset, None
    path, options = (source.path, source.open_options) if isinstance(source, RasterSource) else (source, ())
    address = address_of(path)
    dataset, remote = open_remote(address, options) if address else (_open_local(path, options), None)
    if dataset.RasterCount == 0:
        raise RasterError(
            "{path} has no bands{subdatasets}.", path=masked(path), subdatasets=masked(_subdatasets(dataset))
        )
    if isinstance(source, RasterSource):
        source.check_bands(dataset.RasterCount)
    _look_at(dataset, masked(path), remote)
    return dataset, remote


def _look_at(dataset: gdal.Dataset, name: str, remote: Remote | None) -> None:
    """Check and watch the files of an open raster, and tell the run what a user may not expect of it."""
    watching = inputs.current()
    if remote is None:
        check_whole(dataset, name)
        watch_files(dataset, name)
    elif watching is not None:
        watching.watch_by(name, remote.check_unchanged)
    if watching is not None and (told := scaling(dataset, name)):
        watching.tell_once("scaling", told)


def _open_local(source: str, options: Sequence[str]) -> gdal.Dataset:
    def attempt() -> gdal.Dataset:
        flags = gdal.OF_RASTER | gdal.OF_VERBOSE_ERROR
        return open_unchanged(source, flags, RasterError, [*options, *decoding_options()])

    inputs.check_ordinary(source)
    dataset = None
    with collected_errors() as errors:
        dataset = attempt()
        if dataset is not None and reads_directly(dataset):
            with direct_reading():
                dataset = attempt()
        if dataset is not None:
            ask_lazy(dataset)
    if dataset is None:
        cure = Phrase("Check the path and that GDAL reads the format.")
        if source.startswith("/vsimem/"):
            cure = Phrase("Only the process that made a file in memory can read it: save it to disk.")
        raise RasterError(
            "Cannot open the raster {source}: {errors}. {cure}",
            source=masked(source),
            errors=_reason(source, str(errors)),
            cure=cure,
        )
    check_options(source, options, errors)
    Reports(source).check_opened(dataset, errors)
    return dataset


def _reason(source: str, told: str) -> str:
    """Return GDAL's reason without the path before it; those of the system are phrases, which can be translated."""
    reason = told[len(source) + 2 :] if told.startswith(f"{source}: ") else told
    return _OF_SYSTEM.get(reason.rstrip("."), masked(reason))


def _subdatasets(dataset: gdal.Dataset) -> str:
    names = [name for name, _ in dataset.GetSubDatasets()[:8]]
    return Phrase(", but subdatasets: give one of {names}", names=", ".join(names)) if names else ""


def grid_of(dataset: gdal.Dataset) -> Grid:
    """Return the grid of an open dataset.

    Raises:
        RasterError: it is rotated.
    """
    try:
        return Grid.from_geotransform(tuple(dataset.GetGeoTransform()), dataset.RasterXSize, dataset.RasterYSize)
    except RasterError as error:
        raise RasterError(
            "Cannot use the raster {name}: {reason}.", name=masked(name_of(dataset)), reason=error.message
        ) from None
