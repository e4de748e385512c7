"""Open datasets on their way to workers: by their file, and virtual rasters that have none by their XML."""

from __future__ import annotations

import copyreg
import os
from collections.abc import Callable
from typing import Any

from osgeo import gdal

from ..errors import RasterError
from ..files.filesbehind import absolute_xml
from ..files.gdalcalls import collected_errors, open_unchanged
from ..files.privatecopies import original


def let_datasets_travel() -> None:
    """Have pickle take open datasets, of which SWIG knows only where they lie in this process."""
    copyreg.pickle(gdal.Dataset, _taken_apart)


def _taken_apart(dataset: gdal.Dataset) -> tuple[Callable[..., Any], tuple[str, str]]:
    """Return what opens the same raster in another process."""
    own = original(dataset.GetDescription())
    if not own or own.lstrip().startswith("<"):
        return _opened, (absolute_xml(dataset), own)
    return _opened, (os.path.abspath(own) if os.path.exists(own) else own, own)


def _opened(source: str, own: str) -> gdal.Dataset:
    dataset = None
    with collected_errors() as errors:
        dataset = open_unchanged(source, gdal.OF_RASTER, RasterError)
    if dataset is None:
        raise RasterError("A worker cannot open the raster {source}: {errors}.", source=source, errors=errors)
    if not own:
        dataset.SetDescription("")  # as it is called where it comes from
    return dataset
