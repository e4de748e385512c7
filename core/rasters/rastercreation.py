"""Creation of a raster in its format: the pixel types that it can hold, and default creation options."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from osgeo import gdal

from ..errors import RasterError
from ..phrases import Phrase
from .outputfields import OTHER_FORMAT, OutputFields, either
from .pixeltypes import WORDS, gdal_type


def check_type(driver: gdal.Driver, dtype: np.dtype, path: Path, fields: OutputFields) -> None:
    """Raise RasterError where the format cannot hold `dtype`: GDAL would cut the values down to what it can.

    Drivers name their types; one that names none is left to say so itself.
    """
    held = (driver.GetMetadataItem("DMD_CREATIONDATATYPES") or "").split()
    if held and gdal.GetDataTypeName(gdal_type(dtype)) not in held:
        words = [word for word, name in WORDS.items() if gdal.GetDataTypeName(gdal_type(name)) in held]
        advice = either(
            Phrase("choose the pixel type {words}", words=Phrase(" or ").join(words)), fields.pixel_type, OTHER_FORMAT
        )
        raise RasterError(
            "The output {path} is of the format {format}, which cannot hold {dtype}: {advice}.",
            path=path,
            format=driver.LongName,
            dtype=dtype.name,
            advice=advice,
        )


def geotiff_options(given: Sequence[str], dtype: np.dtype, block: tuple[int, int], compress: bool) -> list[str]:
    """Defaults for GeoTIFF where they are not given: tiled, DEFLATE for whole numbers, BigTIFF where needed."""
    names = {option.split("=", 1)[0].upper() for option in given}
    options = list(given)
    if "BIGTIFF" not in names:
        options.append("BIGTIFF=IF_SAFER")
    if "TILED" not in names:
        options.append("TILED=YES")
        for name, size in zip(("BLOCKXSIZE", "BLOCKYSIZE"), block):
            if name not in names:
                options.append(f"{name}={size}")
    if "COMPRESS" not in names and compress and dtype.kind in "iu":
        # The lowest level: a tenth of the time of the usual one, for an eighth more bytes (measured on a map of classes).
        options += ["COMPRESS=DEFLATE", *([] if "ZLEVEL" in names else ["ZLEVEL=1"])]
    return options


def threaded(driver: gdal.Driver, options: Sequence[str]) -> list[str]:
    """Return the options, and the one that compresses in several threads where the format has it and compresses."""
    given = dict(option.upper().split("=", 1) for option in options)
    known = driver.GetMetadataItem("DMD_CREATIONOPTIONLIST") or ""
    compresses = given.get("COMPRESS", "NONE" if driver.ShortName == "GTiff" else "") != "NONE"
    if "NUM_THREADS" in given or not compresses or not re.search(r"""name=['"]NUM_THREADS['"]""", known):
        return list(options)
    return [*options, "NUM_THREADS=ALL_CPUS"]


_LOSSLESS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "JP2OpenJPEG": ({"REVERSIBLE": "YES", "QUALITY": "100"}, ("QUALITY", "REVERSIBLE")),
    "JP2KAK": ({"QUALITY": "100"}, ("QUALITY", "RATE")),
    "WEBP": ({"LOSSLESS": "YES"}, ("LOSSLESS", "QUALITY")),
    "JPEGXL": ({"LOSSLESS": "YES"}, ("LOSSLESS", "DISTANCE", "ALPHA_DISTANCE")),
    "AVIF": ({"QUALITY": "100"}, ("QUALITY",)),
    "GPKG": ({"TILE_FORMAT": "PNG"}, ("TILE_FORMAT", "QUALITY")),
    "GTiff/WEBP": ({"WEBP_LOSSLESS": "YES"}, ("WEBP_LOSSLESS", "WEBP_LEVEL")),
    "GTiff/JXL": ({"JXL_LOSSLESS": "YES"}, ("JXL_LOSSLESS", "JXL_DISTANCE")),
    "COG/WEBP": ({"QUALITY": "100"}, ("QUALITY",)),
    "COG/JXL": ({"JXL_LOSSLESS": "YES"}, ("JXL_LOSSLESS", "JXL_DISTANCE")),
}
"""By driver, and its compression: options that keep values, and those by which a user asks for another trade."""


def mixing_overviews(driver: gdal.Driver, given: Sequence[str]) -> str:
    """Return the option by which a format makes overviews of means of pixels, if one is given; else nothing."""
    if driver.ShortName != "COG":
        return ""
    options = {name.upper(): value.upper() for name, _, value in (option.partition("=") for option in given)}
    name = "OVERVIEW_RESAMPLING" if "OVERVIEW_RESAMPLING" in options else "RESAMPLING"
    kept = options.get(name, "NEAREST") in ("NEAREST", "MODE") or options.get("OVERVIEWS") == "NONE"
    return "" if kept else f"{name}={options[name]}"


def lossless_options(driver: gdal.Driver, given: Sequence[str], dtype: np.dtype, classes: bool) -> list[str]:
    """Return the options that a format needs to keep values, where nothing that is given says otherwise.

    Overviews of classes are made of pixels as they are: means of their numbers would be other classes.
    """
    options = {name.upper(): value for name, _, value in (option.partition("=") for option in given)}
    name = driver.ShortName
    if name == "GPKG" and dtype != np.uint8:
        return []
    defaults, asked = _LOSSLESS.get(
        f"{name}/{options['COMPRESS'].upper()}" if options.get("COMPRESS") else name, ({}, ())
    )
    wished = [option for option in asked if options.get(option, defaults.get(option)) != defaults.get(option)]
    needed = {} if wished else dict(defaults)
    if name == "COG" and classes and "RESAMPLING" not in options:
        needed["OVERVIEW_RESAMPLING"] = "NEAREST"
    return [f"{option}={value}" for option, value in needed.items() if option not in options]
