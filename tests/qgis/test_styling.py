"""The styles of loaded outputs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from osgeo import gdal, ogr
from qgis.core import QgsMapLayerLegendUtils, QgsProject, QgsRasterLayer, QgsVectorLayer
from qgis.PyQt.QtCore import QCoreApplication, Qt

from otbtf_qgis.algorithms.imageclassifier import ImageClassifier
from otbtf_qgis.algorithms.landcovermap import LandCoverMap
from otbtf_qgis.algorithms.styling import rounded, show_legend, style_classes
from otbtf_qgis.algorithms.tensorflowmodelserve import TensorflowModelServe
from otbtf_qgis.core.exampledata.referenceclasses import CLASSES as REFERENCE
from otbtf_qgis.core.exampledata.referencefiles import colour_classes
from otbtf_qgis.core.exampledata.referencestyles import raster_style, store_polygon_style

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


def test_the_classes_of_a_map_are_unfolded_in_the_layer_tree(tmp_path):
    shown, project = layer(tmp_path), QgsProject()
    style_classes(shown, CLASSES)
    project.addMapLayer(shown)
    node = project.layerTreeRoot().findLayer(shown)
    node.setExpanded(False)
    show_legend(shown, project)
    QCoreApplication.processEvents()
    assert node.isExpanded()


def test_a_map_without_classes_keeps_its_style(tmp_path):
    styled = layer(tmp_path)
    before = styled.renderer().type()
    TensorflowModelServe.style("OUT", styled, {"OUT": "map.tif"})
    assert styled.renderer().type() == before
    TensorflowModelServe.style("OUT", styled, {"OUT": "map.tif", "CLASSES": CLASSES})
    assert styled.renderer().type() == "paletted"


def raster(path, bands, dtype=gdal.GDT_Float32, nodata=None):
    """A raster of the values in `bands`, each of 20 x 10 pixels."""
    data = gdal.GetDriverByName("GTiff").Create(str(path), 20, 10, len(bands), dtype)
    data.SetGeoTransform((0, 10, 0, 0, 0, -10))
    for number, values in enumerate(bands, 1):
        band = data.GetRasterBand(number)
        band.WriteArray(np.array(np.broadcast_to(values, (10, 20))))
        if nodata is not None:
            band.SetNoDataValue(nodata)
    data = None
    return QgsRasterLayer(str(path), "map")


def legend(styled):
    """The texts of a layer's legend in the project, as a layout shows them."""
    QgsProject.instance().addMapLayer(styled)
    place = QgsProject.instance().layerTreeRoot().findLayer(styled.id())
    shown = QgsMapLayerLegendUtils.legendNodeOrder(place)
    entries = styled.legend().createLayerTreeModelLegendNodes(place)
    return [entries[number].data(Qt.ItemDataRole.DisplayRole) for number in shown or range(len(entries))]


def test_the_legend_of_a_map_has_the_names_of_classes_alone(tmp_path):
    styled = layer(tmp_path)
    QgsProject.instance().addMapLayer(styled)
    TensorflowModelServe.style("OUT", styled, {"CLASSES": CLASSES})
    assert legend(styled) == ["open water", "7", "no colour"]
    QgsProject.instance().clear()


def test_probabilities_have_one_ramp_from_0_to_1_and_a_style_for_each_class(tmp_path):
    styled = raster(tmp_path / "map.tif", [np.linspace(0.2, 0.6, 20), np.linspace(0.8, 0.4, 20)])
    TensorflowModelServe.style("OUT", styled, {"PROBABILITIES": ["water", "wood"]})
    assert styled.styleManager().styles() == ["water", "wood"] and styled.styleManager().currentStyle() == "water"
    for name, band in (("water", 1), ("wood", 2)):
        styled.styleManager().setCurrentStyle(name)
        renderer = styled.renderer()
        assert (renderer.type(), renderer.band()) == ("singlebandpseudocolor", band)
        assert (renderer.classificationMin(), renderer.classificationMax()) == (0, 1)
        assert renderer.shader().rasterShaderFunction().shade(0.5)[1:4] == (0x21, 0x91, 0x8C)


def test_values_that_are_no_probabilities_keep_their_style(tmp_path):
    logits = raster(tmp_path / "map.tif", [np.linspace(-4, 3, 20), np.linspace(0, 9, 20)])
    before = logits.renderer().type()
    TensorflowModelServe.style("OUT", logits, {"PROBABILITIES": ["water", "wood"]})
    assert logits.renderer().type() == before and logits.styleManager().styles() == ["default"]


def test_a_confidence_map_has_the_ramp_of_probabilities(tmp_path):
    styled = raster(tmp_path / "map.tif", [np.linspace(0.5, 0.9, 20)])
    ImageClassifier.style("CONFMAP", styled, {"CLASSES": CLASSES})
    assert styled.renderer().classificationMax() == 1 and styled.styleManager().styles() == ["default"]


def test_what_tells_how_sure_a_map_is_has_the_same_ramp(tmp_path):
    results = {"CLASSES": CLASSES, "PROBABILITIES": ["water", "wood"]}
    for number, output in enumerate(("OUT_CONFIDENCE", "OUT_ENTROPY", "OUT_MARGIN")):
        styled = raster(tmp_path / f"{number}.tif", [np.linspace(0.1, 0.9, 20)])
        LandCoverMap.style(output, styled, results)
        assert (styled.renderer().classificationMin(), styled.renderer().classificationMax()) == (0, 1)
    styled = raster(tmp_path / "variance.tif", [np.linspace(0.0, 0.04, 20)])
    TensorflowModelServe.style("OUT_VARIANCE", styled, results)
    assert styled.renderer().contrastEnhancement().maximumValue() < 0.1, "which are no probabilities"
    styled = raster(tmp_path / "each.tif", [np.linspace(0.2, 0.6, 20), np.linspace(0.8, 0.4, 20)])
    LandCoverMap.style("OUT_PROBABILITIES", styled, results)
    assert styled.styleManager().styles() == ["water", "wood"]


def test_labels_beside_probabilities_are_not_taken_for_these(tmp_path):
    """A map without names of classes, whose labels are 0 and 1."""
    styled = raster(tmp_path / "map.tif", [np.tile([0.0, 1.0], 10)])
    TensorflowModelServe.style("OUT", styled, {"PROBABILITIES": ["0", "1"]})
    assert styled.renderer().type() == "singlebandgray"


@pytest.mark.parametrize(("outlier", "most"), [(9, 1.2), (900, 200)])
def test_continuous_values_are_stretched_between_round_limits_without_outliers(tmp_path, outlier, most):
    values = np.linspace(0.1234, 0.8765, 200).reshape(10, 20)
    values[0, 0], values[9, 19] = -outlier, outlier
    styled = raster(tmp_path / "map.tif", [values])
    TensorflowModelServe.style("OUT", styled, {})
    stretch = styled.renderer().contrastEnhancement()
    low, high = stretch.minimumValue(), stretch.maximumValue()
    assert -most <= low <= 0.2 and 0.8 <= high <= most
    assert max(len(f"{abs(limit):g}".strip("0").replace(".", "")) for limit in (low, high)) <= 3


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((0.1234, 0.8765), (0.12, 0.88)),
        ((-1234.5, 56789), (-2000, 57000)),
        ((3, 3), (3, 6)),
        ((0, 0), (0, 1)),
        ((0.99, 1.01), (0.99, 1.01)),
    ],
)
def test_limits_have_few_digits_and_hold_the_values(limits, expected):
    assert rounded(*limits) == pytest.approx(expected)


@pytest.mark.parametrize("value", [0, 5])
def test_bands_without_data_or_of_one_value_ask_gdal_for_nothing_that_is_an_error(tmp_path, value, capfd):
    styled = raster(tmp_path / "map.tif", [np.array(value)], nodata=0)
    capfd.readouterr()  # what QGIS's own statistics print when it loads a layer
    TensorflowModelServe.style("OUT", styled, {})
    assert "ERROR" not in capfd.readouterr().err


def test_the_reference_data_shows_its_six_classes(tmp_path):
    names = [name for name, _ in REFERENCE.values()]
    labels = tmp_path / "truth.tif"
    data = gdal.GetDriverByName("GTiff").Create(str(labels), 3, 2, 1, gdal.GDT_Byte)
    colour_classes(data)
    data = None
    labels.with_suffix(".qml").write_text(raster_style())
    shown = QgsRasterLayer(str(labels), "truth")
    classes = shown.renderer().classes()
    assert [(item.value, item.label) for item in classes] == list(enumerate(names))
    assert classes[0].color.name() == "#266fc4"

    data = gdal.GetDriverByName("GPKG").Create(str(tmp_path / "truth.gpkg"), 0, 0, 0, gdal.GDT_Unknown)
    data.CreateLayer("truth", None, ogr.wkbPolygon).CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
    store_polygon_style(data, "truth")
    data = None
    polygons = QgsVectorLayer(str(tmp_path / "truth.gpkg"), "truth")
    renderer = polygons.renderer()
    assert renderer.classAttribute() == "class"
    assert [(int(item.value()), item.label()) for item in renderer.categories()] == list(enumerate(names))
    assert renderer.categories()[5].symbol().color().name() == "#f0c85c"
