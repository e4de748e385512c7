"""Rasters that are in memory already: NumPy arrays with a grid, xarray's DataArrays, and datasets under a name.

A NumPy array is read through GDAL where it lies; nothing is copied.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from osgeo import gdal, gdal_array, osr

from ..errors import RasterError
from ..files.gdalcalls import collected_errors
from ..files.privatecopies import original
from ..parameters.rastersource import RasterSource, described
from .pixeltypes import gdal_type

NO_PLACE = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
"""GDAL's geotransform of a raster that has none: pixel coordinates."""


@dataclass(frozen=True)
class Opened:
    """An open dataset, what it is called in messages, and what is told of its bands where that is more than it holds."""

    dataset: gdal.Dataset
    name: str
    told: RasterSource | None = None


@dataclass(frozen=True, eq=False)
class ArrayRaster:
    """A NumPy array with its place on the ground: a source for every parameter that takes a raster.

        ndvi = ArrayRaster(array, (300000, 10, 0, 4000000, 0, -10), "EPSG:32654", nodata=-1)
        core.run("TensorflowModelServe", {"source1.il": [ndvi], ...})

    Attributes:
        array: pixels of shape (rows, columns) or (rows, columns, bands); a view with any strides is fine. Dtypes: those
            of GDAL (uint8, int16, uint16, int32, uint32, float32, float64, complex64, complex128, and int8, int64,
            uint64 where GDAL is new enough), and bool, which is read as uint8. Not copied: leave it alone while an
            operation runs.
        geotransform: GDAL's six numbers, in units of the coordinate system: x of the outer upper-left corner, pixel
            width, 0, y of that corner, 0, minus the pixel height; or what has a method `to_gdal`, as rasterio's
            transforms do. None for pixel coordinates.
        crs: a text that GDAL understands, such as `EPSG:32654` or WKT, or what has a method `to_wkt`; empty for none.
        nodata: the no-data value of all bands; NaN is one; None for none.

    Raises:
        RasterError: the array, its dtype or its shape is none that a raster can have; there are not six numbers.
    """

    array: np.ndarray
    geotransform: Any = None
    crs: Any = ""
    nodata: float | None = None

    def __post_init__(self) -> None:
        _check_array(self.array)
        _six_numbers(self.geotransform)

    @classmethod
    def like(cls, other: Any, array: np.ndarray, nodata: float | None = None) -> ArrayRaster:
        """Return an array on the grid of another raster.

        Args:
            other: a path, or any other source.
            array: has as many rows and columns as the other raster.
            nodata: its no-data value.

        Raises:
            RasterError: the other raster cannot be opened, or has another size.
        """
        from .rasteropening import open_dataset
        from .rasterreference import Reference

        other = in_memory(other)
        source, name = open_dataset(other)[0], name_of(other)
        if array.shape[:2] != (source.RasterYSize, source.RasterXSize):
            raise RasterError(
                f"The array has the shape {array.shape}, but {name} has {source.RasterYSize} rows and "
                f"{source.RasterXSize} columns: give an array of shape (rows, columns) or (rows, columns, bands)."
            )
        return cls(array, source.GetGeoTransform(), Reference.of(source, other).wkt, nodata)

    def open(self) -> Opened:
        """Return the array as an open dataset of GDAL, which keeps it alive.

        Raises:
            RasterError: GDAL does not know the dtype or the coordinate system.
        """
        pixels = self.array if self.array.ndim == 3 else self.array[..., None]
        pixels = pixels.view("uint8") if pixels.dtype == bool else pixels
        with collected_errors() as errors:
            dataset = gdal_array.OpenNumPyArray(np.moveaxis(pixels, -1, 0), True)
        if dataset is None or errors.failed:
            raise RasterError(f"GDAL cannot read the {name_of(self)}: {errors}.")
        dataset.SetGeoTransform(_six_numbers(self.geotransform))
        dataset.SetProjection(crs_wkt(self.crs))
        if self.nodata is not None:
            for band in range(dataset.RasterCount):
                dataset.GetRasterBand(band + 1).SetNoDataValue(float(self.nodata))
        return Opened(dataset, name_of(self))


def in_memory(source: Any) -> Any:
    """Return what `open_dataset` opens: arrays as open datasets, anything else as it is.

    Raises:
        RasterError: an array has no grid, or is none that a raster can be made of; a JSON object describes no raster.
    """
    source = described(source)
    if isinstance(source, ArrayRaster):
        return source.open()
    if isinstance(source, np.ndarray):
        raise RasterError(
            f"A source is a NumPy array of shape {source.shape} without a place on the ground: give "
            "ArrayRaster(array, geotransform, crs), or ArrayRaster.like(image, array)."
        )
    kind = type(source)
    if kind.__module__.partition(".")[0] == "xarray":
        from .dataarray import array_raster

        return Opened(array_raster(source).open().dataset, name_of(source))
    if not isinstance(source, (str, RasterSource, gdal.Dataset, Opened)):
        raise RasterError(
            f"A source is a {kind.__module__}.{kind.__name__}, but must be a path, a RasterSource, an open gdal.Dataset, an "
            "ArrayRaster or an xarray DataArray."
        )
    return source


def name_of(source: Any) -> str:
    """Return what a raster is called in messages, and where what belongs to it lies; not always where GDAL reads it."""
    if isinstance(source, Opened):
        return source.name
    if isinstance(source, ArrayRaster):
        return f"array of shape {source.array.shape} and type {source.array.dtype}"
    if isinstance(source, gdal.Dataset):
        return original(source.GetDescription()) or f"{source.GetDriver().ShortName} dataset in memory"
    if type(source).__name__ == "DataArray":
        return f"DataArray {source.name}" if source.name else f"DataArray of shape {source.shape}"
    return str(source)


def _check_array(array: Any) -> None:
    if isinstance(array, np.ma.MaskedArray):
        raise RasterError("The array is a masked array: give array.filled(value), and nodata=value.")
    if not isinstance(array, np.ndarray):
        raise RasterError(f"ArrayRaster takes a NumPy array, but got {type(array).__name__}: give numpy.asarray(...).")
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise RasterError(
            f"The array has the shape {array.shape}, but a raster has (rows, columns) or (rows, columns, bands), none of "
            "them 0: numpy.moveaxis(array, 0, -1) puts the bands last."
        )
    if not array.dtype.isnative:
        raise RasterError(
            f"The array's type {array.dtype} has its bytes in another order than this machine: give "
            "array.astype(array.dtype.newbyteorder('='))."
        )
    try:
        gdal_type("uint8" if array.dtype == bool else array.dtype)
    except (KeyError, TypeError):
        raise RasterError(
            f"The array's type is {array.dtype}, which rasters do not have: convert it, as with "
            "array.astype('float32')."
        ) from None


def _six_numbers(geotransform: Any) -> tuple[float, ...]:
    given: Any = NO_PLACE if geotransform is None else geotransform
    given = given.to_gdal() if hasattr(given, "to_gdal") else given
    try:
        numbers = tuple(float(number) for number in given)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != 6 or not all(map(math.isfinite, numbers)):
        raise RasterError(
            f"The geotransform is {geotransform!r}, but must be six numbers: x of the upper-left corner, pixel width, 0, "
            "y of that corner, 0, minus the pixel height."
        )
    return numbers


def crs_wkt(crs: Any) -> str:
    """Return the WKT of a coordinate system: a text that GDAL understands, or what has a method `to_wkt`.

    Raises:
        RasterError: it is not understood.
    """
    text = crs.to_wkt() if hasattr(crs, "to_wkt") else crs or ""
    if not text:
        return ""
    reference, code = osr.SpatialReference(), 1
    with collected_errors() as errors:
        code = reference.SetFromUserInput(str(text))
    if code:
        raise RasterError(
            f"The coordinate system {crs!r} is not understood ({errors}): give a code such as 'EPSG:32654', or WKT."
        )
    return str(reference.ExportToWkt())


def band_numbers(text: str, count: int, name: str) -> Sequence[int]:
    """Return the bands that OTB's `bands=` option selects, counted from 1.

    Args:
        text: numbers and ranges separated by commas, such as `1,3:5,-1`; negative ones count from the last band, and a
            range holds both of its ends, or goes to the first or last band where one is left out.
        count: how many bands there are.
        name: the raster, for messages.

    Raises:
        RasterError: a part cannot be read, or there is no such band.
    """
    chosen: list[int] = []
    for part in text.split(","):
        ends = [end.strip() for end in part.split(":")]
        try:
            numbers = [int(end) if end else default for end, default in zip(ends, (1, count))]
        except ValueError:
            numbers = []
        numbers = [number + count + 1 if number < 0 else number for number in numbers]
        if (
            not numbers
            or len(ends) > 2
            or (len(ends) == 1 and not ends[0])
            or not all(1 <= n <= count for n in numbers)
        ):
            raise RasterError(
                f"bands={text} selects {part!r}, but {name} has {count} bands: give numbers from 1 to {count} or "
                "ranges such as 2:4, separated by commas; negative numbers count from the last band."
            )
        chosen += range(numbers[0], numbers[-1] + 1)
    if not chosen:
        raise RasterError(f"bands={text} selects no band of {name}: a range begins with its smaller number.")
    return chosen


def selected(source: Any, bands: str = "", without_place: bool = False) -> Opened:
    """Return a part of a raster, under the name of the whole.

    Args:
        source: what GDAL opens.
        bands: which bands, as `band_numbers` reads them; empty for all.
        without_place: leave out the coordinate system and the geotransform.

    Raises:
        RasterError: it cannot be opened, or there are no such bands.
    """
    from .rasteropening import open_dataset

    dataset = open_dataset(source)[0]
    numbers = band_numbers(bands, dataset.RasterCount, source) if bands else None
    part = None
    with collected_errors() as errors:
        part = gdal.Translate("", dataset, format="VRT", bandList=numbers)
    if part is None or errors.failed:
        raise RasterError(f"Cannot select a part of {source}: {errors}.")
    if without_place:
        part.SetProjection("")
        part.SetGeoTransform(NO_PLACE)
        part.SetGCPs([], "")
        for domain in ("RPC", "GEOLOCATION"):
            part.SetMetadata({}, domain)
    return Opened(part, str(source))
