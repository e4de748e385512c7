"""xarray's DataArrays as rasters, with what rioxarray knows of them where it is imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import RasterError
from .inmemory import ArrayRaster, name_of

_X = ("x", "lon", "longitude", "easting")
_Y = ("y", "lat", "latitude", "northing")
_UNEVEN = 0.01  # of a pixel, by which coordinates may lie off their even places


def array_raster(data: Any) -> ArrayRaster:
    """Return a DataArray as an array with its place on the ground.

    Its values are loaded if they are not yet. Dimensions: (y, x) or (band, y, x). The place is that of the coordinates
    of x and y, which are those of pixels' centres; without them, what `.rio` knows.

    Args:
        data: an `xarray.DataArray`.

    Raises:
        RasterError: it is something else of xarray, its dimensions are others or in another order, or it has no place.
    """
    if type(data).__name__ != "DataArray":
        raise RasterError(
            "A source is an xarray {type}, but must be a DataArray: choose a variable, as in dataset['name'], or "
            "stack them with dataset.to_array('band').",
            type=type(data).__name__,
        )
    x, y = _dimensions(data)
    pixels = data.values if data.ndim == 2 else np.moveaxis(data.values, 0, -1)
    if not hasattr(data, "rio"):
        return ArrayRaster(pixels, _geotransform(data, x, y, None), _crs(data), _nodata(data.attrs))
    known = data.rio.set_spatial_dims(x_dim=x, y_dim=y).rio
    transform = None if known.transform().is_identity else known.transform()
    nodata = None if known.nodata is None else float(known.nodata)
    return ArrayRaster(pixels, _geotransform(data, x, y, transform), known.crs, nodata)


def _dimensions(data: Any) -> tuple[str, str]:
    """Return the names of the dimensions that are x and y."""
    given = tuple(map(str, data.dims))
    x = next((name for name in given if name.lower() in _X), "")
    y = next((name for name in given if name.lower() in _Y), "")
    if not x or not y:
        raise RasterError(
            "{name} has the dimensions {given}, but needs one called x and one called y: rename them with "
            "data.rename({{'old': 'x', ...}}).",
            name=name_of(data),
            given=given,
        )
    if len(given) > 3:
        raise RasterError(
            "{name} has the dimensions {given}, but a raster has (band, y, x): choose one of the others' places "
            "with data.isel(...), or stack them with data.stack(band=[...]).",
            name=name_of(data),
            given=given,
        )
    wanted = tuple(name for name in given if name not in (x, y)) + (y, x)
    if given != wanted:
        raise RasterError(
            "{name} has its dimensions in the order {given}: give data.transpose{wanted}.",
            name=name_of(data),
            given=given,
            wanted=wanted,
        )
    return x, y


def _geotransform(data: Any, x: str, y: str, known: Any) -> Any:
    """Return the geotransform that the coordinates say, else the affine transform that is known otherwise."""
    if x in data.coords and y in data.coords:
        west, width = _axis(data, x, known and known.a)
        north, height = _axis(data, y, known and known.e)
        return (west, width, 0.0, north, 0.0, height)
    if known:
        return known
    raise RasterError(
        "{name} has no coordinates of {x} and {y}, so its place on the ground is unknown: assign them with "
        "data.assign_coords({x}=..., {y}=...), those of the pixels' centres, or give ArrayRaster(array, "
        "geotransform, crs).",
        name=name_of(data),
        x=x,
        y=y,
    )


def _axis(data: Any, name: str, known: float | None) -> tuple[float, float]:
    """Return the outer edge of the first pixel, and the step to the next, from the coordinates of pixels' centres.

    Args:
        data: the DataArray.
        name: of the dimension.
        known: the step, where there is one pixel only.
    """
    centres = np.asarray(data.coords[name].values)
    if centres.dtype.kind not in "iuf" or centres.ndim != 1:
        raise RasterError(
            "The coordinates {name} of {data} are not numbers along one dimension: assign others.",
            name=name,
            data=name_of(data),
        )
    centres = centres.astype("float64")
    if len(centres) > 1:
        step = float(centres[-1] - centres[0]) / (len(centres) - 1)
        even = centres[0] + step * np.arange(len(centres))
        if not step or not np.all(np.abs(centres - even) <= _UNEVEN * abs(step)):
            raise RasterError(
                "The coordinates {name} of {data} are not evenly spaced: interpolate to an even grid first, as with "
                "data.interp({name}=...).",
                name=name,
                data=name_of(data),
            )
    elif known:
        step = known
    else:
        raise RasterError(
            "{name} has only one pixel along {name2}, so the coordinate does not give its size: give "
            "ArrayRaster(array, geotransform, crs).",
            name=name_of(data),
            name2=name,
        )
    return float(centres[0]) - step / 2, step


def _crs(data: Any) -> Any:
    """Return the coordinate system as the CF conventions and rioxarray store it."""
    mapping = str(data.encoding.get("grid_mapping") or data.attrs.get("grid_mapping") or "spatial_ref")
    described = data.coords[mapping].attrs if mapping in data.coords else {}
    return described.get("crs_wkt") or described.get("spatial_ref") or data.attrs.get("crs") or ""


def _nodata(attributes: Mapping[str, Any]) -> float | None:
    value = attributes.get("_FillValue", attributes.get("nodata"))
    return None if value is None else float(value)
