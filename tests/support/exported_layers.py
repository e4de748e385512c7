"""Vector layers of QGIS in memory and in files, and what core reads of them, for tests of what is exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from osgeo import ogr, osr
from qgis.core import (
    QgsFeature,
    QgsGeometry,
    QgsProcessingFeatureSourceDefinition,
    QgsProject,
    QgsVectorLayer,
)

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.parameters.vectorsource import described
from otbtf_qgis.core.vectors.vectorlayer import VectorLayer


class Log(Progress):
    def __init__(self, stop: bool = False) -> None:
        self.done: list[float] = []
        self.lines: list[str] = []
        self._stop = stop

    def fraction(self, done: float) -> None:
        self.done.append(done)

    def info(self, message: str) -> None:
        self.lines.append(message)

    def cancelled(self) -> bool:
        return self._stop


Source = Callable[..., Any]


def memory(uri: str, rows: list[tuple[str, list[Any]]], name: str = "layer") -> QgsVectorLayer:
    layer = QgsVectorLayer(uri, name, "memory")
    assert layer.isValid()
    features = []
    for wkt, values in rows:
        feature = QgsFeature(layer.fields())
        if wkt:
            feature.setGeometry(QgsGeometry.fromWkt(wkt))
        feature.setAttributes(values)
        features.append(feature)
    assert layer.dataProvider().addFeatures(features)[0]
    return layer


def selected(layer: QgsVectorLayer, **more: Any) -> QgsProcessingFeatureSourceDefinition:
    QgsProject.instance().addMapLayer(layer)
    return QgsProcessingFeatureSourceDefinition(layer.id(), True, **more)


def opened(source: Any) -> VectorLayer:
    return VectorLayer(described(source))


def rows(source: Any, *names: str) -> list[tuple[Any, ...]]:
    """What core reads: the fields by name (None where null) of each feature."""
    layer = opened(source)
    getters = [layer.getter(layer.field(name)) for name in names]
    return [tuple(getter(feature) for getter in getters) for feature in layer.layer]


def ids(source: Any) -> list[int]:
    layer = opened(source)
    return [feature.GetFID() for feature in layer.layer]


def shapes(source: Any) -> list[str | None]:
    layer = opened(source)
    geometries = (feature.GetGeometryRef() for feature in layer.layer)
    return [None if shape is None else shape.ExportToIsoWkt() for shape in geometries]


def package(path: Path, features: int = 3, epsg: int = 32654, driver: str = "GPKG") -> str:
    """A file of points (1 0), (2 0), ... of the classes 1, 2, ..., with ids from 1."""
    system = osr.SpatialReference()
    if epsg:
        system.ImportFromEPSG(epsg)
    data = ogr.GetDriverByName(driver).CreateDataSource(str(path))
    layer = data.CreateLayer(path.stem, system if epsg else None, ogr.wkbPoint)
    layer.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
    for number in range(1, features + 1):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({number} 0)"))
        feature["class"] = number
        layer.CreateFeature(feature)
    return str(path)
