"""Small rasters and training layers, placed by pixels, and how to read what comes out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, ogr, osr

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import as_key, worded

X, Y = 500_000.0, 4_800_000.0


class Log(Progress):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.done: list[float] = []

    def warning(self, message: str) -> None:
        self.warnings.append(worded(message, as_key))

    def fraction(self, done: float) -> None:
        self.done.append(done)


class Stop(Progress):
    """Asks to stop at once."""

    def cancelled(self) -> bool:
        return True


def utm() -> osr.SpatialReference:
    system = osr.SpatialReference()
    system.ImportFromEPSG(32631)
    return system


def raster(path: Path, bands: Any, nodata: float | None = None, x: float = X) -> str:
    array = np.atleast_3d(np.array(bands, "i2").T).T  # (bands, rows, columns)
    dataset = gdal.GetDriverByName("GTiff").Create(
        str(path), array.shape[2], array.shape[1], array.shape[0], gdal.GDT_Int16
    )
    dataset.SetProjection(utm().ExportToWkt())
    dataset.SetGeoTransform((x, 10, 0, Y, 0, -10))
    for number, band in enumerate(array, 1):
        dataset.GetRasterBand(number).WriteArray(band)
        if nodata is not None:
            dataset.GetRasterBand(number).SetNoDataValue(nodata)
    return str(path)


def box(left: float, top: float, right: float, bottom: float, holes: str = "") -> str:
    """A rectangle in pixels, as WKT on the map."""
    corners = ((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
    return f"POLYGON(({','.join(f'{X + 10 * c} {Y - 10 * r}' for c, r in corners)}){holes})"


def point(column: float, row: float) -> str:
    return f"POINT({X + 10 * column} {Y - 10 * row})"


def layer(
    path: Path,
    features: list[tuple[Any, str | None]],
    kind: int = ogr.OFTInteger,
    driver: str = "GPKG",
    epsg: int = 32631,
) -> str:
    target = osr.SpatialReference()
    target.ImportFromEPSG(epsg)
    target.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    source = utm()
    source.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    dataset = ogr.GetDriverByName(driver).CreateDataSource(str(path))
    made = dataset.CreateLayer("training", target, ogr.wkbUnknown)
    made.CreateField(ogr.FieldDefn("class", kind))
    for label, wkt in features:
        feature = ogr.Feature(made.GetLayerDefn())
        if label is not None:
            feature["class"] = label
        if wkt is not None:
            geometry = ogr.CreateGeometryFromWkt(wkt)
            geometry.Transform(osr.CoordinateTransformation(source, target))
            feature.SetGeometry(geometry)
        made.CreateFeature(feature)
    return str(path)


def statistics(path: Path) -> tuple[dict[str, int], dict[str, int]]:
    found = []
    for body in re.findall(r"<Statistic name.*?</Statistic>", path.read_text(), re.DOTALL):
        found.append({key: int(value) for key, value in re.findall(r'key="(.*?)" value="(\d+)"', body)})
    return found[0], found[1]


def samples(path: Path) -> list[tuple[float, float, Any, int]]:
    """Column, row, class and origin of each sample."""
    dataset = ogr.Open(str(path))
    rows = []
    for feature in dataset.GetLayer(0):
        geometry = feature.GetGeometryRef()
        rows.append(((geometry.GetX() - X) / 10, (Y - geometry.GetY()) / 10, feature["class"], feature["originfid"]))
    return rows


def run(name: str, values: dict[str, Any], progress: Progress | None = None) -> dict[str, Any]:
    return registry.run(name, {"field": "class", **values}, progress)
