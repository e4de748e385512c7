"""Sampling polygons from QGIS: the classes keep the names and colours that the user has given them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import processing
import pytest
from osgeo import gdal, ogr, osr
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputLayerDefinition,
    QgsProject,
    QgsRasterLayer,
    QgsRendererCategory,
    QgsSymbol,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

from otbtf_qgis.plugin import OtbtfPlugin

# Fixtures hold paths, not layers: pytest frees the last ones after QGIS has exited.


@pytest.fixture
def image(make_raster: Callable[[str], str]) -> str:
    return make_raster("image.tif")


@pytest.fixture
def fields(image: str, tmp_path: Path) -> str:
    """Two fields in the left and right half of the image."""
    raster = QgsRasterLayer(image, "image")
    path = str(tmp_path / "fields.gpkg")
    dataset = ogr.GetDriverByName("GPKG").CreateDataSource(path)
    system = osr.SpatialReference()
    system.ImportFromWkt(raster.crs().toWkt())
    made = dataset.CreateLayer("fields", system, ogr.wkbPolygon)
    made.CreateField(ogr.FieldDefn("crop", ogr.OFTInteger))
    box = raster.extent()
    for crop, left, right in ((3, box.xMinimum(), box.center().x()), (5, box.center().x(), box.xMaximum())):
        feature = ogr.Feature(made.GetLayerDefn())
        feature["crop"] = crop
        low, high = box.yMinimum(), box.yMaximum()
        text = f"POLYGON(({left} {low},{right} {low},{right} {high},{left} {high},{left} {low}))"
        feature.SetGeometry(ogr.CreateGeometryFromWkt(text))
        made.CreateFeature(feature)
    feature = made = dataset = None
    return path


def styled(path: str, field: str = "crop") -> QgsVectorLayer:
    """Return the fields as a layer with a name and colour for each crop."""
    layer = QgsVectorLayer(path, "fields")
    categories = []
    for crop, name, color in ((3, "wheat", "#ffcc00"), (5, "5", "#336699")):
        symbol = QgsSymbol.defaultSymbol(layer.geometryType())
        symbol.setColor(QColor(color))
        categories.append(QgsRendererCategory(crop, symbol, name))
    layer.setRenderer(QgsCategorizedSymbolRenderer(field, categories))
    return layer


def select(image: str, fields: QgsVectorLayer | str, out: Path, **more: Any) -> dict[str, Any]:
    parameters = {"IN": image, "VEC": fields, "FIELD": "crop", "OUT": str(out), "STRATEGY": "constant", **more}
    return processing.run("otbtf:sampleselection", {"STRATEGY_CONSTANT_NB": 4, **parameters})


ROWS = [{"value": 3, "name": "wheat", "color": "#ffcc00"}, {"value": 5, "color": "#336699"}]


def test_categories_of_the_layer_travel_with_the_samples(
    plugin: OtbtfPlugin, image: str, fields: str, tmp_path: Path
) -> None:
    out = tmp_path / "samples.gpkg"
    results = select(image, styled(fields), out)
    rows = json.loads(results["LEGEND"])
    assert sorted(rows[0].items()) == sorted({**ROWS[0], "count": 4}.items())
    assert sorted(rows[1].items()) == sorted({**ROWS[1], "count": 4}.items())
    assert json.loads(Path(f"{out}.json").read_text())["classes"] == ROWS
    assert (results["SAMPLES"], results["CLASSES"], results["FIELD"]) == (8, 2, "crop")


def test_samples_load_in_the_colours_of_the_layer(plugin: OtbtfPlugin, image: str, fields: str, tmp_path: Path) -> None:
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback(False)
    context.setProject(QgsProject.instance())
    out = str(tmp_path / "samples.gpkg")
    for algorithm, given in (
        ("otbtf:sampleselection", {"VEC": styled(fields), "STRATEGY": "all"}),
        ("otbtf:sampleextraction", {"VEC": out}),
    ):
        target = out if "STRATEGY" in given else str(tmp_path / "values.gpkg")
        details = QgsProcessingContext.LayerDetails("samples", QgsProject.instance(), "OUT")
        context.addLayerToLoadOnCompletion(target, details)
        parameters = {"IN": image, "FIELD": "crop", "OUT": target, **given}
        processing.run(algorithm, parameters, context=context, feedback=feedback)
        layer = QgsVectorLayer(target, "samples")
        context.layerToLoadOnCompletionDetails(target).postProcessor().postProcessLayer(layer, context, feedback)
        found = {c.value(): (c.label(), c.symbol().color().name()) for c in layer.renderer().categories()}
        assert found == {3: ("wheat", "#ffcc00"), 5: ("5", "#336699")}
        assert layer.renderer().classAttribute() == "crop"


def test_new_samples_load_in_the_colour_of_their_class(
    plugin: OtbtfPlugin, image: str, fields: str, tmp_path: Path
) -> None:
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback(False)
    context.setProject(QgsProject.instance())
    target, table = str(tmp_path / "new.gpkg"), str(tmp_path / "table.csv")
    Path(table).write_text("crop,a\n3,1.5\n3,2.5\n", encoding="utf-8")
    Path(table + "t").write_text("Integer,Real", encoding="utf-8")
    select(image, styled(fields), tmp_path / "samples.gpkg")
    layers = {"map": str(tmp_path / "samples.gpkg"), "table": QgsVectorLayer(table, "table")}
    for name, layer in layers.items():
        details = QgsProcessingContext.LayerDetails(name, QgsProject.instance(), "OUT")
        context.addLayerToLoadOnCompletion(target, details)
        parameters = {"IN": layer, "FIELD": "crop", "LABEL": "3", "SAMPLES": 4, "OUT": target}
        results = processing.run("otbtf:sampleaugmentation", parameters, context=context, feedback=feedback)
        assert results["SAMPLES"] == 4
        new = QgsVectorLayer(target, "new")
        assert new.featureCount() == 4
        context.layerToLoadOnCompletionDetails(target).postProcessor().postProcessLayer(new, context, feedback)
        if name == "map":
            assert [(c.label(), c.symbol().color().name()) for c in new.renderer().categories()] == [
                ("wheat", "#ffcc00")
            ]


def test_a_layer_styled_by_something_else_gives_no_names(
    plugin: OtbtfPlugin, image: str, fields: str, tmp_path: Path
) -> None:
    out = tmp_path / "samples.gpkg"
    results = select(image, styled(fields, "other"), out)
    assert json.loads(results["LEGEND"]) == [{"value": 3, "count": 4}, {"value": 5, "count": 4}]
    assert not Path(f"{out}.json").exists()


@pytest.mark.parametrize(
    ("changed", "told"),
    [({"FIELD": "corp"}, "Did you mean crop"), ({"STRATEGY_CONSTANT_NB": None}, "STRATEGY_CONSTANT_NB is missing")],
)
def test_bad_input_is_told(
    plugin: OtbtfPlugin,
    image: str,
    fields: str,
    tmp_path: Path,
    changed: dict[str, Any],
    told: str,
) -> None:
    with pytest.raises(QgsProcessingException, match=told):
        # A path, not a layer: the caught exception would keep it until QGIS has gone.
        select(image, fields, tmp_path / "samples.gpkg", **changed)
    assert not list(tmp_path.glob("samples*"))


def test_patches_keep_names_and_colours_of_the_layer(
    plugin: OtbtfPlugin, image: str, fields: str, tmp_path: Path
) -> None:
    """Of the points that they were cut around, where nothing else tells them."""
    samples = tmp_path / "samples.gpkg"
    select(image, fields, samples)
    assert not Path(f"{samples}.json").exists()
    labels, records = tmp_path / "labels.tif", tmp_path / "records"
    parameters = {"VEC": styled(str(samples)), "FIELD": "crop", "OUTLABELS": str(labels), "OUT_TFRECORDS": str(records)}
    size = {"SOURCE1_PATCHSIZEX": 1, "SOURCE1_PATCHSIZEY": 1, "SOURCE1_IL": [image]}
    results = processing.run("otbtf:patchesextraction", {**parameters, **size, "NODATA_FROM_LAYER": False})
    assert results["PATCHES"] == 8
    assert json.loads(Path(f"{labels}.json").read_text())["classes"] == ROWS


def test_patches_with_some_missing_values(plugin: OtbtfPlugin, image: str, fields: str, tmp_path: Path) -> None:
    """NODATA_RULE and NODATA_PIXELS come as the form gives them: a text and a number."""
    samples, gappy = tmp_path / "samples.gpkg", str(tmp_path / "gappy.tif")
    select(image, fields, samples)
    source = gdal.Open(image)
    pixels = np.full((2, source.RasterYSize, source.RasterXSize), 7, "int16")
    pixels[0] = -1  # every pixel lacks one of its bands
    made = gdal.GetDriverByName("GTiff").CreateCopy(
        gappy, gdal.Translate("", source, options="-of MEM -b 1 -b 1 -ot Int16")
    )
    for number in (1, 2):
        made.GetRasterBand(number).SetNoDataValue(-1)
        made.GetRasterBand(number).WriteArray(pixels[number - 1])
    made = None
    out = tmp_path / "patches.tif"
    given = {"SOURCE1_IL": [gappy], "SOURCE1_PATCHSIZEX": 1, "SOURCE1_PATCHSIZEY": 1, "SOURCE1_OUT": str(out)}
    given |= {"VEC": str(samples), "FIELD": "crop"}
    with pytest.raises(QgsProcessingException, match="Accept patches with some missing values in NODATA_RULE"):
        processing.run("otbtf:patchesextraction", given)
    for rule in ("all", "0.5"):
        results = processing.run("otbtf:patchesextraction", {**given, "NODATA_RULE": rule, "NODATA_PIXELS": 0.5})
        assert results["PATCHES"] == 8
        assert gdal.Open(str(out)).ReadAsArray().reshape(2, -1).tolist() == [[-1] * 8, [7] * 8]


def test_patches_are_not_thrown_onto_the_map(plugin: OtbtfPlugin, image: str, fields: str, tmp_path: Path) -> None:
    """Their mosaic is, where it is asked for."""
    samples = tmp_path / "samples.gpkg"
    select(image, fields, samples)
    outputs = {"SOURCE1_OUT": "patches.tif", "OUTLABELS": "labels.tif", "OUT_MOSAIC": "mosaic.tif"}
    context = QgsProcessingContext()
    loaded = {
        name: QgsProcessingOutputLayerDefinition(str(tmp_path / file), QgsProject.instance())
        for name, file in outputs.items()
    }
    parameters = {"SOURCE1_IL": [image], "VEC": str(samples), "FIELD": "crop", "NODATA_FROM_LAYER": False}
    size = {"SOURCE1_PATCHSIZEX": 1, "SOURCE1_PATCHSIZEY": 1}
    results = processing.run("otbtf:patchesextraction", {**parameters, **size, **loaded}, context=context)
    assert [Path(results[name]).name for name in outputs] == list(outputs.values())
    assert [Path(path).name for path in context.layersToLoadOnCompletion()] == ["mosaic.tif"]


def test_texts_that_are_numbers_take_the_names_of_categories(
    plugin: OtbtfPlugin, image: str, fields: str, tmp_path: Path
) -> None:
    dataset = ogr.Open(fields, 1)
    layer = dataset.GetLayer(0)
    layer.CreateField(ogr.FieldDefn("text", ogr.OFTString))
    for feature in layer:
        feature["text"] = str(feature["crop"])
        layer.SetFeature(feature)
    feature = layer = dataset = None
    out = tmp_path / "samples.gpkg"
    results = select(image, styled(fields, "text"), out, FIELD="text")
    rows = [{**ROWS[0], "count": 4}, {"value": 5, "name": "5", "color": "#336699", "count": 4}]
    assert [sorted(row.items()) for row in json.loads(results["LEGEND"])] == [sorted(row.items()) for row in rows]
    kept = json.loads(Path(f"{out}.json").read_text())
    assert kept["field"] == "text" and kept["classes"][0] == ROWS[0]


def test_a_layer_that_is_being_edited_is_read_as_saved(
    plugin: OtbtfPlugin, image: str, fields: str, tmp_path: Path
) -> None:
    """In write-ahead mode, as QGIS keeps GeoPackages: neither the file nor the log beside it changes."""
    gdal.SetThreadLocalConfigOption("OGR_SQLITE_JOURNAL", "WAL")  # QGIS sets it by itself on some file systems only
    layer = QgsVectorLayer(fields, "fields")
    crop = layer.fields().indexOf("crop")
    assert layer.startEditing() and layer.changeAttributeValue(1, crop, 7) and layer.commitChanges(False)
    gdal.SetThreadLocalConfigOption("OGR_SQLITE_JOURNAL", None)
    log = Path(f"{fields}-wal")
    assert log.exists()
    before = (log.read_bytes(), log.stat().st_mtime_ns, Path(fields).read_bytes(), Path(fields).stat().st_mtime_ns)
    results = select(image, layer, tmp_path / "samples.gpkg")
    assert {row["value"] for row in json.loads(results["LEGEND"])} == {5, 7}
    after = (log.read_bytes(), log.stat().st_mtime_ns, Path(fields).read_bytes(), Path(fields).stat().st_mtime_ns)
    assert after == before
    assert layer.changeAttributeValue(2, crop, 9) and layer.commitChanges(True)  # QGIS goes on as if nothing had been
    del layer
    dataset = ogr.Open(fields)
    assert [feature["crop"] for feature in dataset.GetLayer(0)] == [7, 9]
