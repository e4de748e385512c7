"""The styles of loaded outputs."""

from __future__ import annotations

import json

from osgeo import gdal
from qgis.core import QgsRasterLayer

from otbtf_qgis.algorithms.styling import style_classes
from otbtf_qgis.algorithms.tensorflowmodelserve import TensorflowModelServe

CLASSES = json.dumps(
    [
        {"value": 1, "name": "open water", "color": "#0000ff"},
        {"value": 7, "name": "", "color": "#008000"},
        {"value": -3, "name": "no colour", "color": ""},
    ]
)


def layer(tmp_path):
    path = str(tmp_path / "map.tif")
    gdal.GetDriverByName("GTiff").Create(path, 3, 2, 1, gdal.GDT_Int16)
    return QgsRasterLayer(path, "map")


def test_each_class_has_its_colour_and_name(tmp_path):
    styled = layer(tmp_path)
    style_classes(styled, CLASSES)
    shown = styled.renderer().classes()
    assert [(int(item.value), item.label) for item in shown] == [(1, "open water"), (7, "7"), (-3, "no colour")]
    assert [item.color.name() for item in shown[:2]] == ["#0000ff", "#008000"]
    assert shown[2].color.isValid()


def test_a_map_without_classes_keeps_its_style(tmp_path):
    styled = layer(tmp_path)
    before = styled.renderer().type()
    TensorflowModelServe.style("OUT", styled, {"OUT": "map.tif"})
    assert styled.renderer().type() == before
    TensorflowModelServe.style("OUT", styled, {"OUT": "map.tif", "CLASSES": CLASSES})
    assert styled.renderer().type() == "paletted"
