"""What QGIS shows of a vector layer is what core reads: fields, edits, filters, selection, CRS, encoding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exported_layers import Source, ids, memory, opened, package, rows, selected, shapes
from osgeo import gdal, ogr, osr
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureRequest,
    QgsField,
    QgsGeometry,
    QgsMarkerSymbol,
    QgsProcessingContext,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingFeedback,
    QgsProject,
    QgsRendererCategory,
    QgsVectorLayer,
    QgsVectorLayerJoinInfo,
)
from qgis.PyQt.QtCore import QVariant

from otbtf_qgis.algorithms.layerclasses import categories_of
from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.provider import OtbtfProvider


class TestWhatQgisAdds:
    def test_a_plain_file_is_read_by_core_itself(self, source: Source, tmp_path: Path) -> None:
        path = package(tmp_path / "a.gpkg")
        assert source(QgsVectorLayer(path, "a", "ogr")) == path
        assert source(QgsVectorLayer(f"{path}|layername=a", "a", "ogr")) == f"{path}|layername=a"
        assert source(Path(path)) == path

    def test_expression_fields(self, source: Source, tmp_path: Path) -> None:
        layer = QgsVectorLayer(package(tmp_path / "a.gpkg"), "a", "ogr")
        layer.addExpressionField('"class" * 10', QgsField("tens", QVariant.Int))
        assert rows(source(layer), "class", "tens") == [(1, 10), (2, 20), (3, 30)]

    def test_joins(self, source: Source, tmp_path: Path) -> None:
        layer = QgsVectorLayer(package(tmp_path / "a.gpkg"), "a", "ogr")
        table = memory(
            "None?field=number:integer&field=name:string", [("", [1, "water"]), ("", [3, "forest"])], "names"
        )
        QgsProject.instance().addMapLayers([layer, table])
        join = QgsVectorLayerJoinInfo()
        join.setJoinLayer(table)
        join.setJoinFieldName("number")
        join.setTargetFieldName("class")
        join.setUsingMemoryCache(True)
        assert layer.addJoin(join)
        assert rows(source(layer), "class", "names_name") == [(1, "water"), (2, None), (3, "forest")]

    def test_edits_that_are_not_saved(self, source: Source, tmp_path: Path) -> None:
        layer = QgsVectorLayer(package(tmp_path / "a.gpkg"), "a", "ogr")
        assert layer.startEditing()
        layer.deleteFeature(2)
        layer.changeAttributeValue(3, layer.fields().indexOf("class"), 33)
        layer.changeGeometry(1, QgsGeometry.fromWkt("Point(100 0)"))
        added = QgsFeature(layer.fields())
        added.setGeometry(QgsGeometry.fromWkt("Point(9 0)"))
        added["class"] = 9
        assert layer.addFeature(added)
        found = source(layer)
        assert rows(found, "class") == [(1,), (33,), (9,)]
        assert shapes(found) == ["POINT (100 0)", "POINT (3 0)", "POINT (9 0)"]
        assert ids(found) == [1, 3, 4]  # ids are kept

    def test_filters(self, source: Source, tmp_path: Path) -> None:
        path = package(tmp_path / "a.shp", driver="ESRI Shapefile")
        layer = QgsVectorLayer(path, "a", "ogr")
        assert layer.setSubsetString('"class" >= 2')
        assert rows(source(layer), "class") == [(2,), (3,)]
        assert rows(source(f'{path}|subset="class" = 3'), "class") == [(3,)]

    def test_one_geometry_type_of_several(self, source: Source, tmp_path: Path) -> None:
        path = tmp_path / "mixed.geojson"
        shapes_ = [
            '{"type": "Point", "coordinates": [1, 2]}',
            '{"type": "LineString", "coordinates": [[0, 0], [1, 1]]}',
        ]
        features = ",".join(f'{{"type": "Feature", "properties": {{}}, "geometry": {shape}}}' for shape in shapes_)
        path.write_text(f'{{"type": "FeatureCollection", "features": [{features}]}}')
        assert shapes(source(f"{path}|geometrytype=Point")) == ["POINT (1 2)"]
        layer = QgsVectorLayer(f"{path}|geometrytype=LineString", "lines", "ogr")
        assert shapes(source(layer)) == ["LINESTRING (0 0,1 1)"]

    def test_a_layer_by_number(self, source: Source, tmp_path: Path) -> None:
        path = package(tmp_path / "a.gpkg")
        with_two = ogr.Open(path, 1)
        with_two.CreateLayer("other", geom_type=ogr.wkbPoint)
        with_two = None
        assert rows(source(f"{path}|layerid=0"), "class") == [(1,), (2,), (3,)]
        assert rows(source(QgsVectorLayer(f"{path}|layerid=0", "a", "ogr")), "class") == [(1,), (2,), (3,)]

    @pytest.mark.parametrize("kind", ["delimitedtext", "virtual"])
    def test_other_providers(self, source: Source, tmp_path: Path, kind: str) -> None:
        if kind == "virtual":
            QgsProject.instance().addMapLayer(QgsVectorLayer(package(tmp_path / "a.gpkg"), "a", "ogr"))
            uri = "?query=SELECT geometry, class FROM a WHERE class < 3"
        else:
            (tmp_path / "a.csv").write_text("x;y;class\n1;0;1\n2;0;2\n")
            uri = f"file://{tmp_path}/a.csv?delimiter=;&xField=x&yField=y&detectTypes=yes"
        layer = QgsVectorLayer(uri, "layer", kind)
        assert layer.isValid()
        assert rows(source(layer), "class") == [(1,), (2,)]
        assert shapes(source(layer)) == ["POINT (1 0)", "POINT (2 0)"]
        if kind == "delimitedtext":
            assert rows(source(f"delimitedtext://{uri}"), "class") == [(1,), (2,)]

    @pytest.mark.parametrize("epsg", [32654, 0])
    def test_an_assigned_crs_is_passed_on(self, source: Source, tmp_path: Path, epsg: int) -> None:
        path = package(tmp_path / "a.gpkg", epsg=epsg)
        layer = QgsVectorLayer(path, "a", "ogr")
        layer.setCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
        assert source(layer) == {"path": path, "crs": "EPSG:3857"}
        assert osr.SpatialReference(opened(source(layer)).reference.wkt).GetAuthorityCode(None) == "3857"

    def test_a_crs_of_the_users_own(self, source: Source, tmp_path: Path) -> None:
        layer = QgsVectorLayer(package(tmp_path / "a.gpkg"), "a", "ogr")
        layer.setCrs(QgsCoordinateReferenceSystem.fromProj("+proj=laea +lat_0=12 +lon_0=34 +datum=WGS84 +units=m"))
        assert layer.crs().isValid()
        system = osr.SpatialReference(opened(source(layer)).reference.wkt)
        assert (system.GetProjParm("latitude_of_center"), system.GetProjParm("longitude_of_center")) == (12, 34)

    def test_the_crs_of_what_is_exported(self, source: Source, tmp_path: Path) -> None:
        layer = QgsVectorLayer(package(tmp_path / "a.gpkg"), "a", "ogr")
        layer.setCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
        layer.selectAll()
        assert osr.SpatialReference(opened(source(selected(layer))).reference.wkt).GetAuthorityCode(None) == "3857"

    def test_a_crs_that_is_taken_away(self, source: Source, tmp_path: Path) -> None:
        layer = QgsVectorLayer(package(tmp_path / "a.gpkg"), "a", "ogr")
        layer.setCrs(QgsCoordinateReferenceSystem())
        assert opened(source(layer)).reference.wkt == ""
        layer = memory("Point?field=a:integer", [("Point(0 0)", [1])])
        layer.setCrs(QgsCoordinateReferenceSystem())
        assert opened(source(layer)).reference.wkt == ""

    def test_an_encoding(self, source: Source, tmp_path: Path) -> None:
        path = tmp_path / "a.shp"
        data = ogr.GetDriverByName("ESRI Shapefile").CreateDataSource(str(path))
        layer = data.CreateLayer("a", None, ogr.wkbPoint)
        layer.CreateField(ogr.FieldDefn("soci?t?", ogr.OFTString))
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetGeometry(ogr.CreateGeometryFromWkt("POINT (0 0)"))
        feature[0] = "for?t"
        layer.CreateFeature(feature)
        layer = data = feature = None
        table = tmp_path / "a.dbf"
        table.write_bytes(table.read_bytes().replace(b"soci?t?", b"soci\xe9t\xe9").replace(b"for?t", b"for\xeat"))
        (tmp_path / "a.cpg").write_text("ISO-8859-1")
        named = QgsVectorLayer(str(path), "a", "ogr")
        assert gdal.GetConfigOption("SHAPE_ENCODING") == ""  # QGIS has switched GDAL's decoding off
        assert source(named) == str(path)  # core follows the .cpg
        assert rows(str(path), "société") == [("forêt",)]
        named.setProviderEncoding("windows-1251")
        assert rows(source(named), "sociйtй") == [("forкt",)]
        (tmp_path / "a.cpg").unlink()
        unnamed = QgsVectorLayer(str(path), "a", "ogr")
        unnamed.setProviderEncoding("ISO-8859-1")
        assert rows(source(unnamed), "société") == [("forêt",)]

    def test_names_kept_beside_the_file_go_with_it(self, source: Source, tmp_path: Path) -> None:
        path = package(tmp_path / "a.gpkg")
        Path(f"{path}.json").write_text('{"classes": [{"value": 1, "name": "water"}]}')
        layer = QgsVectorLayer(path, "a", "ogr")
        layer.selectAll()
        found = source(selected(layer))
        assert Path(f"{found}.json").read_text() == '{"classes": [{"value": 1, "name": "water"}]}'


class TestDefinitions:
    def test_selection(self, source: Source, tmp_path: Path) -> None:
        layer = QgsVectorLayer(package(tmp_path / "a.gpkg"), "a", "ogr")
        layer.selectByIds([1, 3])
        found = source(selected(layer))
        assert rows(found, "class") == [(1,), (3,)]
        assert ids(found) == [1, 3]

    def test_an_empty_selection_is_refused(self, source: Source, tmp_path: Path) -> None:
        with pytest.raises(
            ParameterError, match="VEC is limited to the selected .* layer 'a', but no feature is selected"
        ):
            source(selected(QgsVectorLayer(package(tmp_path / "a.gpkg"), "a", "ogr")))

    def test_limit(self, source: Source, tmp_path: Path) -> None:
        path = package(tmp_path / "a.gpkg")
        layer = QgsVectorLayer(path, "a", "ogr")
        layer.selectByIds([2, 3])
        assert rows(source(selected(layer, featureLimit=1)), "class") == [(2,)]
        assert rows(source(QgsProcessingFeatureSourceDefinition(path, featureLimit=2)), "class") == [(1,), (2,)]
        assert rows(source(QgsProcessingFeatureSourceDefinition(path, featureLimit=-1)), "class") == [(1,), (2,), (3,)]

    def test_what_qgis_cannot_open(self, source: Source) -> None:
        with pytest.raises(ParameterError, match="VEC is 'nowhere.gpkg', but QGIS cannot open it"):
            source(QgsProcessingFeatureSourceDefinition("nowhere.gpkg", featureLimit=1))
        assert source(QgsProcessingFeatureSourceDefinition("nowhere.gpkg")) == "nowhere.gpkg"  # core says what is wrong

    def test_filter(self, source: Source, tmp_path: Path) -> None:
        definition = QgsProcessingFeatureSourceDefinition(package(tmp_path / "a.gpkg"))
        if not hasattr(definition, "filterExpression"):
            pytest.skip("QGIS 3.32 or later")
        definition.filterExpression = '"class" > 1'
        definition.featureLimit = 1
        assert rows(source(definition), "class") == [(2,)]
        definition.filterExpression = '"class" >'
        with pytest.raises(ParameterError, match="VEC has the filter .* which is not a valid expression"):
            source(definition)

    def test_invalid_geometries(self, source: Source) -> None:
        bow = "Polygon((0 0, 1 1, 1 0, 0 1, 0 0))"
        layer = memory("Polygon?field=a:integer", [(bow, [1]), ("Polygon((0 0, 1 0, 1 1, 0 0))", [2]), ("", [3])])
        QgsProject.instance().addMapLayer(layer)
        flag = QgsProcessingFeatureSourceDefinition.Flag.FlagOverrideDefaultGeometryCheck
        checks = QgsFeatureRequest.InvalidGeometryCheck

        def asked(check: Any, **more: Any) -> QgsProcessingFeatureSourceDefinition:
            return QgsProcessingFeatureSourceDefinition(layer.id(), geometryCheck=check, **more)

        assert rows(source(asked(checks.GeometrySkipInvalid, flags=flag)), "a") == [(2,), (3,)]
        assert rows(source(asked(checks.GeometryNoCheck, flags=flag)), "a") == [(1,), (2,), (3,)]
        assert rows(source(asked(checks.GeometrySkipInvalid)), "a") == [(1,), (2,), (3,)]  # the flag is not set
        with pytest.raises(ParameterError, match="the geometry of feature 1 is invalid"):
            source(asked(checks.GeometryAbortOnInvalid, flags=flag))


def test_a_layer_in_a_group_by_name(source: Source, tmp_path: Path) -> None:
    path = package(tmp_path / "a.gpkg")
    layer = QgsVectorLayer(path, 'Lager "Süd" | 2', "ogr")
    QgsProject.instance().addMapLayer(layer, False)
    QgsProject.instance().layerTreeRoot().addGroup("group").addLayer(layer)
    assert source('Lager "Süd" | 2') == source(layer.id()) == path


def _filtered(layer: QgsVectorLayer) -> Any:
    QgsProject.instance().addMapLayer(layer)
    assert layer.setSubsetString('"class" = 2')
    return layer


def _with_selection(layer: QgsVectorLayer) -> Any:
    layer.selectByIds([2])
    return selected(layer)


def _joined(layer: QgsVectorLayer) -> Any:
    """Another layer, to which it is joined."""
    QgsProject.instance().addMapLayer(layer)
    other = memory("Point?field=number:integer&field=class:integer", [("Point(1 0)", [1, 1])], "other")
    join = QgsVectorLayerJoinInfo()
    join.setJoinLayer(layer)
    join.setJoinFieldName("class")
    join.setTargetFieldName("number")
    QgsProject.instance().addMapLayer(other)
    assert other.addJoin(join)
    return other


def _queried(layer: QgsVectorLayer) -> Any:
    """A query of it, by its id."""
    QgsProject.instance().addMapLayer(layer)
    found = QgsVectorLayer(f"?query=SELECT * FROM '{layer.id()}'", "query", "virtual")
    assert found.isValid()
    QgsProject.instance().addMapLayer(found)
    return found


@pytest.mark.parametrize("how", [_filtered, _with_selection, _joined, _queried])
@pytest.mark.parametrize(("name", "driver"), [("a.gpkg", "GPKG"), ("a.shp", "ESRI Shapefile")])
def test_the_file_of_an_exported_layer_is_not_replaced(
    provider: OtbtfProvider,
    context: QgsProcessingContext,
    make_raster: Callable[[str], str],
    tmp_path: Path,
    how: Callable[[QgsVectorLayer], Any],
    name: str,
    driver: str,
) -> None:
    path = package(tmp_path / name, driver=driver)
    given = {
        "IN": make_raster("image.tif"),
        "VEC": how(QgsVectorLayer(path, "a", "ogr")),
        "FIELD": "class",
        "OUT": path,
    }
    algorithm = provider.algorithm("sampleextraction").create()
    feedback = QgsProcessingFeedback()
    assert not algorithm.run(given, context, feedback)[1]
    assert f"OUT is {path}, which is also an input: choose another file." in feedback.textLog()
    assert QgsVectorLayer(path, "a", "ogr").featureCount() == 3


@pytest.mark.parametrize("only", [True, False])
def test_categories_of_a_selection(provider: OtbtfProvider, context: QgsProcessingContext, only: bool) -> None:
    layer = memory("Point?field=class:integer", [("Point(0 0)", [1])])
    layer.setRenderer(QgsCategorizedSymbolRenderer("class", [QgsRendererCategory(1, QgsMarkerSymbol(), "water")]))
    layer.selectAll()
    QgsProject.instance().addMapLayer(layer)
    algorithm = provider.algorithm("sampleselection").create()
    given = {"VEC": QgsProcessingFeatureSourceDefinition(layer.id(), only), "FIELD": "class"}
    assert algorithm.vector_layer(given, "VEC", context) == layer
    assert categories_of(layer, "class")["1"]["name"] == "water"
