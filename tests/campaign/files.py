"""Files of many formats, and what can happen to them."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import serving
from osgeo import gdal, ogr, osr

Damage = Callable[[bytes, random.Random], bytes]

RASTERS = (
    ("GTiff", "tif", ()),
    ("GTiff", "tif", ("TILED=YES", "COMPRESS=DEFLATE", "BLOCKXSIZE=64", "BLOCKYSIZE=64")),
    ("GTiff", "tif", ("COMPRESS=LZW",)),
    ("COG", "tif", ()),
    ("ENVI", "bin", ()),
    ("EHdr", "bil", ()),
    ("ERS", "ers", ()),
    ("PAux", "raw", ()),
    ("PCIDSK", "pix", ()),
    ("PCIDSK", "pix", ("INTERLEAVING=TILED",)),
    ("NITF", "ntf", ()),
    ("HFA", "img", ()),
    ("HFA", "img", ("USE_SPILL=YES",)),
    ("PNG", "png", ()),
    ("JP2OpenJPEG", "jp2", ("QUALITY=100", "REVERSIBLE=YES")),
    ("netCDF", "nc", ()),
    ("VRT", "vrt", ()),
)
VECTORS = (("GPKG", "gpkg"), ("ESRI Shapefile", "shp"), ("GeoJSON", "geojson"), ("FlatGeobuf", "fgb"), ("GML", "gml"))


def rasters(folder: Path, pixels: np.ndarray) -> Iterator[tuple[str, Path]]:
    """Write pixels in every format there is a driver for, each into a folder of its own; yield names and paths."""
    plain = serving.write(folder / "plain.tif", pixels)
    for number, (driver, extension, options) in enumerate(RASTERS):
        if gdal.GetDriverByName(driver) is None:
            continue
        place = folder / f"{number}-{driver}"
        place.mkdir()
        source = serving.write(place / "source.tif", pixels) if driver == "VRT" else plain
        path = place / f"image.{extension}"
        gdal.GetDriverByName(driver).CreateCopy(str(path), gdal.Open(source), 0, list(options))
        yield " ".join((driver, *options)), path


def vectors(folder: Path, places: Sequence[tuple[float, float]]) -> Iterator[Path]:
    """Write points with a field `class` in every format, each into a folder of its own, and yield their paths."""
    system = osr.SpatialReference()
    system.ImportFromEPSG(serving.UTM)
    for driver, extension in VECTORS:
        place = folder / extension
        place.mkdir()
        path = place / f"points.{extension}"
        dataset = gdal.GetDriverByName(driver).Create(str(path), 0, 0, 0, gdal.GDT_Unknown)
        # RFC 7946 would have degrees.
        layer = dataset.CreateLayer("points", system, ogr.wkbPoint, ["RFC7946=NO"] if driver == "GeoJSON" else [])
        layer.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
        for number, (x, y) in enumerate(places):
            feature = ogr.Feature(layer.GetLayerDefn())
            feature.SetField("class", number % 3)
            feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({x!r} {y!r})"))
            layer.CreateFeature(feature)
        del feature, layer, dataset
        yield path


def parts(path: Path) -> list[Path]:
    """Return the files of which an input is made: those in its folder, or the file with what is named after it."""
    if path.is_dir():
        return sorted(item for item in path.rglob("*") if item.is_file())
    return sorted(item for item in path.parent.iterdir() if item.is_file() and item.name.startswith(path.stem))


# ---------------------------------------------------------------- damages


def truncated(content: bytes, choices: random.Random) -> bytes:
    """Lose the end, as a copy that was interrupted."""
    return content[: int(len(content) * choices.uniform(0.02, 0.99))]


def emptied(content: bytes, choices: random.Random) -> bytes:
    """Lose everything, as on a disk that was full."""
    return b""


def altered(content: bytes, choices: random.Random) -> bytes:
    """Have a few wrong bytes, as from a bad disk."""
    spoilt = bytearray(content)
    for _ in range(5):
        spoilt[choices.randrange(len(spoilt))] ^= choices.randrange(1, 256)
    return bytes(spoilt)


@contextlib.contextmanager
def damaged(path: Path, damage: Damage, choices: random.Random) -> Iterator[None]:
    """Damage a file for a while."""
    content = path.read_bytes()
    path.write_bytes(damage(content, choices))
    try:
        yield
    finally:
        path.write_bytes(content)
