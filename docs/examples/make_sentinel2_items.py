"""Makes a small catalogue like one of Sentinel-2 level 2A: three scenes of 640 x 640 m, with clouds, and their STAC items.

    python make_sentinel2_items.py FOLDER

writes FOLDER/items.json, an item collection, and for each scene B04 and B08 at 10 m, B11 at 20 m and the scene
classification SCL at 20 m. As in products since baseline 04.00, reflectance is value x 0.0001 - 0.1, and 0 is no-data.
It needs GDAL and NumPy only.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, osr

SCALE, OFFSET = 0.0001, -0.1
SIZE = 64
"""Width and height of a scene in pixels of 10 m."""

VEGETATION, BARE, CLOUD = 4, 5, 9
"""Classes of SCL."""

_WEST, _NORTH, _EPSG = 300_000, 4_900_020, 32631
_BANDS = {"B04": 10, "B08": 10, "B11": 20}
_OF_VEGETATION = {"B04": 0.04, "B08": 0.44, "B11": 0.2}
_OF_BARE_GROUND = {"B04": 0.25, "B08": 0.3, "B11": 0.35}
_OF_CLOUDS = {"B04": 0.8, "B08": 0.8, "B11": 0.5}


def make(folder: Path, scenes: int = 3) -> Path:
    """Write the catalogue; return the path of the item collection."""
    folder.mkdir(parents=True, exist_ok=True)
    items = [_scene(folder, number) for number in range(1, scenes + 1)]
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}, indent=1), encoding="utf-8")
    return path


def classes_of(number: int) -> np.ndarray:
    """Return the scene classification of a scene: vegetation in the west, bare ground in the east, and a cloud."""
    scl = np.full((SIZE // 2, SIZE // 2), BARE, np.uint8)
    scl[:, : SIZE // 4] = VEGETATION
    scl[4:12, 4 * number : 4 * number + 10] = CLOUD
    return scl


def reflectances(number: int, band: str) -> np.ndarray:
    """Return the reflectance of each pixel of a band."""
    scl = classes_of(number)
    found = np.select([scl == VEGETATION, scl == BARE], [_OF_VEGETATION[band], _OF_BARE_GROUND[band]], _OF_CLOUDS[band])
    repeat = 20 // _BANDS[band]
    return found.repeat(repeat, axis=0).repeat(repeat, axis=1)


def _scene(folder: Path, number: int) -> dict[str, Any]:
    name = f"S2A_31TCJ_2024060{number}"
    assets = {}
    for band, size in _BANDS.items():
        stored = np.round((reflectances(number, band) - OFFSET) / SCALE).astype(np.uint16)
        stored[-4:, -4:] = 0  # outside of the satellite's swath
        _write(folder / f"{name}_{band}.tif", stored, number, size)
        assets[band] = _asset(name, band, {"scale": SCALE, "offset": OFFSET, "nodata": 0, "data_type": "uint16"})
    _write(folder / f"{name}_SCL.tif", classes_of(number), number, 20)
    assets["SCL"] = _asset(name, "SCL", {"nodata": 0, "data_type": "uint8"})
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": ["https://stac-extensions.github.io/raster/v1.1.0/schema.json"],
        "id": name,
        "collection": "sentinel-2-l2a",
        "geometry": None,
        "properties": {"datetime": f"2024-06-0{number}T10:56:21Z", "eo:cloud_cover": 8.0, "platform": "sentinel-2a"},
        "links": [],
        "assets": assets,
    }


def _asset(name: str, band: str, described: dict[str, Any]) -> dict[str, Any]:
    kind = "image/tiff; application=geotiff"
    return {"href": f"./{name}_{band}.tif", "type": kind, "roles": ["data"], "raster:bands": [described]}


def _write(path: Path, pixels: np.ndarray, number: int, size: int) -> None:
    """Write a band; scenes lie side by side, from west to east."""
    kind = gdal.GDT_UInt16 if pixels.dtype == np.uint16 else gdal.GDT_Byte
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), pixels.shape[1], pixels.shape[0], 1, kind)
    system = osr.SpatialReference()
    system.ImportFromEPSG(_EPSG)
    dataset.SetProjection(system.ExportToWkt())
    dataset.SetGeoTransform((_WEST + (number - 1) * 10 * SIZE, size, 0, _NORTH, 0, -size))
    dataset.GetRasterBand(1).WriteArray(pixels)
    dataset.GetRasterBand(1).SetNoDataValue(0)


if __name__ == "__main__":
    print(make(Path(sys.argv[1])))
