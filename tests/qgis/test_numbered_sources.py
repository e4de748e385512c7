"""More sources than dialogs have parameters for, from scripts and qgis_process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import processing
import pytest
from osgeo import gdal, ogr, osr
from qgis.core import QgsApplication, QgsProcessingParameterDefinition, QgsRasterLayer, QgsSettings

from otbtf_qgis.plugin import OtbtfPlugin
from otbtf_qgis.provider import OtbtfProvider

COUNT = 13


def test_patches_of_many_sources(plugin: OtbtfPlugin, make_raster: Callable[[str], str], tmp_path: Path) -> None:
    path = make_raster("image.tif")
    raster = QgsRasterLayer(path, "image")
    centre, system = raster.extent().center(), osr.SpatialReference()
    system.ImportFromWkt(raster.crs().toWkt())
    points = ogr.GetDriverByName("GPKG").CreateDataSource(str(tmp_path / "points.gpkg"))
    layer = points.CreateLayer("points", system, ogr.wkbPoint)
    layer.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
    feature = ogr.Feature(layer.GetLayerDefn())
    feature["class"] = 4
    feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT({centre.x()} {centre.y()})"))
    layer.CreateFeature(feature)
    del feature, layer, points
    values = {"VEC": str(tmp_path / "points.gpkg"), "FIELD": "class"}
    for number in range(1, COUNT + 1):
        size = {f"SOURCE{number}_PATCHSIZE{axis}": 1 for axis in "XY"}
        values |= {f"SOURCE{number}_IL": [path], f"SOURCE{number}_OUT": str(tmp_path / f"{number}.tif"), **size}
    results = processing.run("otbtf:patchesextraction", values)
    assert results["PATCHES"] == 1
    pixels = [gdal.Open(str(tmp_path / f"{number}.tif")).ReadAsArray().tolist() for number in (1, COUNT)]
    assert pixels[0] == pixels[1]


@pytest.mark.parametrize("shown", [2, COUNT])
def test_dialogs_show_as_many_as_the_options_say(plugin: OtbtfPlugin, provider: OtbtfProvider, shown: int) -> None:
    QgsSettings().setValue("Processing/Configuration/OTBTF_SOURCES", shown)
    try:
        algorithm = QgsApplication.processingRegistry().createAlgorithmById("otbtf:tensorflowmodelserve")
        hidden = QgsProcessingParameterDefinition.FlagHidden
        shown_ones = [p.name() for p in algorithm.parameterDefinitions() if not p.flags() & hidden]
        seen = [name for name in shown_ones if name.endswith("_IL")]
        assert len(seen) == shown
    finally:
        QgsSettings().remove("Processing/Configuration/OTBTF_SOURCES")
