"""What QGIS shows of a vector layer is what core reads: exported where core cannot read it itself, whole, and once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from osgeo import gdal, ogr, osr
from qgis.core import (
    NULL,
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
from qgis.PyQt.QtCore import QByteArray, QDate, QDateTime, QTime, QVariant

from otbtf_qgis.algorithms.layerclasses import categories_of
from otbtf_qgis.algorithms.reading import Reader, written
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled, ParameterError, field
from otbtf_qgis.core.parameters.parsing import keys
from otbtf_qgis.core.parameters.vectorsource import described
from otbtf_qgis.core.vectors.vectorlayer import VectorLayer
from otbtf_qgis.provider import OtbtfProvider


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


@pytest.fixture
def source(provider: OtbtfProvider, context: QgsProcessingContext) -> Source:
    """Returns how a run's request names a layer."""
    algorithm = provider.algorithm("sampleextraction").create()

    def source(layer: Any, progress: Progress | None = None) -> Any:
        reader = Reader(algorithm, keys(algorithm.OPERATION), {"VEC": layer}, context)
        reader.inputs()  # as a check does
        return written(reader.inputs(run=True), progress or Progress())["vec"]

    return source


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
    getters = [layer._getter(layer.field(name)) for name in names]
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


class TestNothingIsLost:
    def test_fid_that_is_not_unique(self, source: Source) -> None:
        # as after Dissolve and Multipart to Singleparts
        layer = memory("Point?field=fid:integer", [(f"Point({n} 0)", [1 + n // 3]) for n in range(7)])
        found = source(layer)
        assert rows(found, "fid") == [(1,), (1,), (1,), (2,), (2,), (2,), (3,)]
        assert shapes(found) == [f"POINT ({n} 0)" for n in range(7)]

    @pytest.mark.parametrize(
        "names",
        [
            ("Name", "name", "NAME", "name_2"),
            ("geom", "GEOM", "shape", "Key", "ogc_fid", "rowid"),
            ('a "quoted" name', "a.b", "élan", "select", "x" * 100, "a|b"),
            ("FID", "fid", "Fid"),
        ],
    )
    def test_names_of_fields(self, source: Source, names: tuple[str, ...]) -> None:
        layer = memory("Point", [])
        layer.dataProvider().addAttributes([QgsField(name, QVariant.String) for name in names])
        layer.updateFields()
        assert [field.name() for field in layer.fields()] == list(names)
        feature = QgsFeature(layer.fields())
        feature.setAttributes([f"value of {name}" for name in names])
        assert layer.dataProvider().addFeature(feature)
        found = source(layer)
        assert [field.name for field in opened(found).fields] == list(names)
        assert rows(found, *names) == [tuple(f"value of {name}" for name in names)]

    def test_names_of_layers(self, source: Source) -> None:
        for name in ('a "b" | c', "gpkg_contents", "", "東京/日本", "x" * 200):
            assert rows(source(memory("Point?field=a:integer", [("Point(0 0)", [5])], name)), "a") == [(5,)]

    def test_types_of_fields(self, source: Source) -> None:
        layer = memory(
            "Point?field=i:integer&field=l:int8&field=d:double&field=s:string&field=b:bool&field=day:date"
            "&field=at:datetime&field=t:time&field=texts:string[]&field=numbers:integer[]&field=raw:binary",
            [
                (
                    "Point(0 0)",
                    [
                        -7,
                        2**53 + 1,
                        0.1,
                        "été",
                        True,
                        QDate(2026, 3, 1),
                        QDateTime(QDate(2026, 3, 1), QTime(4, 5, 6)),
                        QTime(7, 8, 9, 120),
                        ["x", "y"],
                        [3, 4],
                        QByteArray(b"\x01\xab"),
                    ],
                ),
                ("Point(1 0)", [NULL] * 11),
            ],
        )
        found = source(layer)
        kinds = {field.name: field.kind for field in opened(found).fields}
        assert kinds["i"] == kinds["l"] == kinds["b"] == "integer"
        assert kinds["d"] == "real"
        names = ("i", "l", "d", "s", "b", "day", "at", "t", "texts", "numbers", "raw")
        # texts as OGR gives them for files that hold such fields
        first = (
            -7,
            2**53 + 1,
            0.1,
            "été",
            1,
            "2026/03/01",
            "2026/03/01 04:05:06",
            "07:08:09.120",
            "(2:x,y)",
            "(2:3,4)",
        )
        assert rows(found, *names) == [(*first, "01AB"), (None,) * 11]

    @pytest.mark.parametrize(
        ("kind", "wkt"),
        [
            ("CurvePolygon", "CURVEPOLYGON (CIRCULARSTRING (0 0,1 1,2 0,1 -1,0 0))"),
            ("MultiPolygonZM", "MULTIPOLYGON ZM (((0 0 1 2,1 0 1 2,1 1 1 2,0 0 1 2)))"),
            ("PointZ", "POINT Z (1 2 3)"),
            ("MultiPoint", "MULTIPOINT ((1 2),(3 4))"),
            ("PointM", "POINT M (1 2 3)"),
        ],
    )
    def test_geometries(self, source: Source, kind: str, wkt: str) -> None:
        found = source(memory(f"{kind}?field=a:integer", [(wkt, [1]), ("", [2]), (wkt, [3])]))
        assert shapes(found) == [wkt, None, wkt]
        assert rows(found, "a") == [(1,), (2,), (3,)]

    def test_a_table_without_geometry(self, source: Source) -> None:
        found = source(memory("None?field=a:integer", [("", [1]), ("", [1])]))
        assert (opened(found).geometry, rows(found, "a")) == ("none", [(1,), (1,)])

    def test_without_features(self, source: Source) -> None:
        assert opened(source(memory("Point?field=a:integer", []))).count == 0

    def test_what_does_not_arrive_is_told(self, source: Source, tmp_path: Path) -> None:
        # a layer that says it has more features than it gives: its file was cut while it was open
        path = package(tmp_path / "a.gpkg", 5)
        layer = QgsVectorLayer(path, "cut", "ogr")
        layer.selectByExpression('"class" > 3')
        database = sqlite3.connect(path)
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in names:  # they call functions that only OGR has
            database.execute(f"DROP TRIGGER {name}")
        database.execute('DELETE FROM "a" WHERE "class" = 5')
        database.commit()
        database.close()
        with pytest.raises(ParameterError, match="VEC: the layer cut could not be exported: QGIS counts 2 .* only 1"):
            source(selected(layer))

    def test_it_can_be_cancelled_and_tells_how_far_it_is(self, source: Source) -> None:
        layer = memory("Point?field=a:integer", [(f"Point({n} 0)", [n]) for n in range(2500)])
        log = Log()
        source(layer, log)
        assert log.done[-1] == 1.0
        assert log.done == sorted(log.done)
        assert log.lines == [f"{field('=vec')}: exporting the layer layer as QGIS shows it."]
        with pytest.raises(Cancelled):
            source(layer, Log(stop=True))


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


def test_gdal_is_as_it_was(source: Source) -> None:
    before = (gdal.GetUseExceptions(), gdal.GetConfigOption("SHAPE_ENCODING"))
    source(memory("Point?field=a:integer", [("Point(0 0)", [1])]))
    assert (gdal.GetUseExceptions(), gdal.GetConfigOption("SHAPE_ENCODING")) == before
