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
from ..phrases import Phrase
from .pixeltypes import gdal_type

NO_PLACE = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
"""GDAL's geotransform of a raster that has none: pixel coordinates."""

PIXELS_UPWARDS = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
"""The geotransform of the place where QGIS shows a raster without one: y is minus the row.

Without a coordinate system it places a raster nowhere either. Patches images have it: for each raster without a geotransform
that is loaded, QGIS has GDAL print an error.
"""


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
                "The array has the shape {shape}, but {name} has {rows} rows and {columns} columns: give an array "
                "of shape (rows, columns) or (rows, columns, bands).",
                shape=array.shape,
                name=name,
                rows=source.RasterYSize,
                columns=source.RasterXSize,
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
            raise RasterError("GDAL cannot read the {name}: {errors}.", name=name_of(self), errors=errors)
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
            "A source is a NumPy array of shape {shape} without a place on the ground: give ArrayRaster(array, "
            "geotransform, crs), or ArrayRaster.like(image, array).",
            shape=source.shape,
        )
    kind = type(source)
    if kind.__module__.partition(".")[0] == "xarray":
        from .dataarray import array_raster

        return Opened(array_raster(source).open().dataset, name_of(source))
    if not isinstance(source, (str, RasterSource, gdal.Dataset, Opened)):
        raise RasterError(
            "A source is a {module}.{type}, but must be a path, a RasterSource, an open gdal.Dataset, an "
            "ArrayRaster or an xarray DataArray.",
            module=kind.__module__,
            type=kind.__name__,
        )
    return source


def name_of(source: Any) -> str:
    """Return what a raster is called in messages, and where what belongs to it lies; not always where GDAL reads it."""
    if isinstance(source, Opened):
        return source.name
    if isinstance(source, ArrayRaster):
        return Phrase("array of shape {shape} and type {dtype}", shape=source.array.shape, dtype=source.array.dtype)
    if isinstance(source, gdal.Dataset):
        return original(source.GetDescription()) or Phrase(
            "{format} dataset in memory", format=source.GetDriver().ShortName
        )
    if type(source).__name__ == "DataArray":
        return f"DataArray {source.name}" if source.name else Phrase("DataArray of shape {shape}", shape=source.shape)
    return str(source)


def _check_array(array: Any) -> None:
    if isinstance(array, np.ma.MaskedArray):
        raise RasterError("The array is a masked array: give array.filled(value), and nodata=value.")
    if not isinstance(array, np.ndarray):
        raise RasterError(
            "ArrayRaster takes a NumPy array, but got {type}: give numpy.asarray(...).", type=type(array).__name__
        )
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise RasterError(
            "The array has the shape {shape}, but a raster has (rows, columns) or (rows, columns, bands), none of "
            "them 0: numpy.moveaxis(array, 0, -1) puts the bands last.",
            shape=array.shape,
        )
    if not array.dtype.isnative:
        raise RasterError(
            "The array's type {dtype} has its bytes in another order than this machine: give "
            "array.astype(array.dtype.newbyteorder('=')).",
            dtype=array.dtype,
        )
    try:
        gdal_type("uint8" if array.dtype == bool else array.dtype)
    except (KeyError, TypeError):
        raise RasterError(
            "The array's type is {dtype}, which rasters do not have: convert it, as with array.astype('float32').",
            dtype=array.dtype,
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
            "The geotransform is {geotransform!r}, but must be six numbers: x of the upper-left corner, pixel "
            "width, 0, y of that corner, 0, minus the pixel height.",
            geotransform=geotransform,
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
            "The coordinate system {crs!r} is not understood ({errors}): give a code such as 'EPSG:32654', or WKT.",
            crs=crs,
            errors=errors,
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
                "bands={text} selects {part!r}, but {name} has {count} bands: give numbers from 1 to {count} or "
                "ranges such as 2:4, separated by commas; negative numbers count from the last band.",
                text=text,
                part=part,
                name=name,
                count=count,
            )
        chosen += range(numbers[0], numbers[-1] + 1)
    if not chosen:
        raise RasterError(
            "bands={text} selects no band of {name}: a range begins with its smaller number.", text=text, name=name
        )
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
        raise RasterError("Cannot select a part of {source}: {errors}.", source=source, errors=errors)
    if without_place:
        part.SetProjection("")
        part.SetGeoTransform(NO_PLACE)
        part.SetGCPs([], "")
        for domain in ("RPC", "GEOLOCATION"):
            part.SetMetadata({}, domain)
    return Opened(part, str(source))
