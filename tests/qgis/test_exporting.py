"""Layers that core cannot read itself are exported whole, and once: nothing is lost on the way."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from exported_layers import Log, Source, memory, opened, package, rows, selected, shapes
from osgeo import gdal
from qgis.core import (
    NULL,
    QgsFeature,
    QgsField,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QByteArray, QDate, QDateTime, QTime, QVariant

from otbtf_qgis.core.errors import Cancelled, ParameterError, field


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


def test_gdal_is_as_it_was(source: Source) -> None:
    before = (gdal.GetUseExceptions(), gdal.GetConfigOption("SHAPE_ENCODING"))
    source(memory("Point?field=a:integer", [("Point(0 0)", [1])]))
    assert (gdal.GetUseExceptions(), gdal.GetConfigOption("SHAPE_ENCODING")) == before
