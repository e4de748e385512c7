"""What a path does not say of a layer: its coordinate system, its encoding, which layer of a file is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, ogr, osr
from polygon_scene import X, Y, box, layer, point, raster, run, samples
from serving import Log

from otbtf_qgis import core
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import OtbtfError, ParameterError, VectorError
from otbtf_qgis.core.parameters.vectorsource import Address, VectorSource
from otbtf_qgis.core.vectors.vectorlayer import VectorLayer


@pytest.fixture
def image(tmp_path: Path) -> str:
    """20 x 20 pixels of 10 m."""
    return raster(tmp_path / "image.tif", [np.ones((20, 20))])


def in_other_system(path: Path, wkts: list[str], epsg: int | None) -> str:
    """A layer whose file names a coordinate system that is not the one of its coordinates (UTM 31)."""
    system = osr.SpatialReference()
    if epsg:
        system.ImportFromEPSG(epsg)
    data = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    made = data.CreateLayer("training", system if epsg else None, ogr.wkbUnknown)
    made.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
    for wkt in wkts:
        feature = ogr.Feature(made.GetLayerDefn())
        feature.SetGeometry(ogr.CreateGeometryFromWkt(wkt))
        feature["class"] = 1
        made.CreateFeature(feature)
    return str(path)


class TestSystems:
    def test_an_assigned_one_is_used_by_every_operation(self, tmp_path: Path, image: str) -> None:
        """A rectangle of 4 x 3 pixels holds 12 samples, wherever the file says that it lies."""
        path = in_other_system(tmp_path / "a.gpkg", [box(2, 3, 6, 6)], 32654)
        given = {"path": path, "crs": "EPSG:32631"}
        log = Log()
        out = tmp_path / "out.gpkg"
        found = run("SampleSelection", {"in": image, "vec": given, "strategy": "all", "out": str(out)}, log)
        assert found["samples"] == 12
        assert {(c, r) for c, r, _, _ in samples(out)} == {(c + 0.5, r + 0.5) for c in range(2, 6) for r in range(3, 6)}
        assert f"VEC: {path} is read in the coordinate system assigned to it, EPSG:32631." in log.infos
        statistics = {"in": image, "vec": VectorSource(path, "EPSG:32631"), "out": str(tmp_path / "s.xml")}
        assert run("PolygonClassStatistics", statistics)["samples"] == 12
        assert run("DensePolygonClassStatistics", statistics)["samples"] == 12
        matrix = {"in": image, "ref": "vector", "ref.vector.in": given, "ref.vector.field": "class"}
        matrix["out"] = str(tmp_path / "matrix.csv")
        assert core.run("ComputeConfusionMatrix", matrix, Progress())["samples"] == 12
        part = {"in": image, "mode": "fit", "mode.fit.vect": given, "out": str(tmp_path / "part.tif")}
        found = core.run("ExtractROI", part, Progress())  # pixels from corner to corner, both included
        assert (found["width"], found["height"]) == (5, 4)
        with pytest.raises(OtbtfError):  # as the file says, it lies elsewhere
            run("PolygonClassStatistics", {**statistics, "vec": path})

    def test_points(self, tmp_path: Path, image: str) -> None:
        path = in_other_system(tmp_path / "a.gpkg", [point(8.5, 8.5), point(9.5, 8.5)], 32654)
        given = VectorSource(f"{path}|layername=training", "EPSG:32631")
        values = {"in": image, "vec": given, "out": str(tmp_path / "out.gpkg")}
        assert core.run("SampleExtraction", values, Progress())["samples"] == 2
        patches = {
            "source1.il": [image],
            "source1.patchsizex": 3,
            "source1.patchsizey": 3,
            "vec": {"path": path, "crs": "EPSG:32631"},
            "field": "class",
            "source1.out": str(tmp_path / "patches.tif"),
        }
        assert core.run("PatchesExtraction", patches, Progress())["patches"] == 2

    def test_none_at_all(self, tmp_path: Path, image: str) -> None:
        """GDAL calls the system of a GeoPackage without one "Undefined geographic SRS": that is no system."""
        path = in_other_system(tmp_path / "a.gpkg", [box(2, 3, 6, 6)], None)
        assert VectorLayer(path).reference.wkt == ""
        values = {"in": image, "vec": path, "out": str(tmp_path / "s.xml")}
        assert run("PolygonClassStatistics", values)["samples"] == 12

    def test_a_layer_by_number_keeps_it(self, tmp_path: Path, image: str) -> None:
        path = in_other_system(tmp_path / "a.gpkg", [box(2, 3, 6, 6)], 32654)
        given = {"path": path, "crs": "EPSG:32631"}
        values = {"in": image, "vec": given, "layer": 0, "out": str(tmp_path / "s.xml")}
        assert run("PolygonClassStatistics", values)["samples"] == 12

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"crs": "EPSG:32631"}, "VEC: A layer is described without its path"),
            ({"path": "a.gpkg", "csr": "x"}, "VEC: A layer is described with csr, which is unknown"),
            ({"path": 5}, "VEC: path of a layer is 5, but must be a text"),
            ({"path": "a.gpkg", "crs": 32631}, "VEC: crs of a layer is 32631, but must be a text"),
            ({"path": "a.gpkg", "fields": "class"}, "VEC: fields of a layer is 'class', but must be a list"),
        ],
    )
    def test_what_is_no_layer(self, tmp_path: Path, image: str, given: Any, told: str) -> None:
        with pytest.raises(ParameterError, match=told):
            run("PolygonClassStatistics", {"in": image, "vec": given, "out": str(tmp_path / "s.xml")})

    def test_an_unknown_one(self, tmp_path: Path) -> None:
        path = in_other_system(tmp_path / "a.gpkg", [box(2, 3, 6, 6)], 32654)
        with pytest.raises(VectorError, match="'EPSG:999999' of the layer .* is not understood"):
            VectorLayer(VectorSource(path, "EPSG:999999"))

    def test_names_of_fields(self, tmp_path: Path) -> None:
        path = in_other_system(tmp_path / "a.gpkg", [point(1, 1)], None)
        with_names = VectorLayer(VectorSource(path, fields=("Class",)))
        assert [field.name for field in with_names.fields] == ["Class"]
        parts = list(with_names.read_points([with_names.field("Class")], Progress()))
        assert [int(part.columns[0][0]) for part in parts] == [1]
        with pytest.raises(VectorError, match="is described with 2 fields, but has 1"):
            VectorLayer(VectorSource(path, fields=("a", "b")))


class TestAddresses:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a.gpkg", Address("a.gpkg")),
            ("a.gpkg|layername=x", Address("a.gpkg", "x")),
            ("a.gpkg|layerid=2", Address("a.gpkg", number=2)),
            ("a.shp|option:ENCODING=CP1252|option:X=1", Address("a.shp", options=("ENCODING=CP1252", "X=1"))),
            ("a.shp|subset=a LIKE '%|%'", Address("a.shp", others=("subset=a LIKE '%|%'",))),
            (
                "a.gpkg|layername=x|geometrytype=Point|uniqueGeometryType=yes",
                Address("a.gpkg", "x", others=("geometrytype=Point", "uniqueGeometryType=yes")),
            ),
        ],
    )
    def test_parts(self, text: str, expected: Address) -> None:
        assert Address.of(text) == Address.of(VectorSource(text)) == expected

    def test_a_file_with_a_bar_in_its_name(self, tmp_path: Path) -> None:
        path = layer(tmp_path / "a|layername=b.gpkg", [(1, point(1, 1))])
        assert VectorLayer(path).count == VectorLayer(f"{path}|layerid=0").count == 1

    @pytest.mark.parametrize("part", ["subset=class = 1", "geometrytype=Point", "nonsense"])
    def test_what_core_does_not_follow_is_refused(self, tmp_path: Path, part: str) -> None:
        path = layer(tmp_path / "a.gpkg", [(1, point(1, 1))])
        with pytest.raises(VectorError, match=f"is given with '{part}', which only QGIS applies"):
            VectorLayer(f"{path}|{part}")

    def test_a_layer_by_number(self, tmp_path: Path) -> None:
        path = layer(tmp_path / "a.gpkg", [(1, point(1, 1))])
        assert VectorLayer(f"{path}|layerid=0").name == "training"
        with pytest.raises(VectorError, match="has no layer number 1: it has 1"):
            VectorLayer(f"{path}|layerid=1")

    def test_styles_are_no_layer(self, tmp_path: Path) -> None:
        path = layer(tmp_path / "a.gpkg", [(1, point(1, 1))])
        data = ogr.Open(path, 1)
        data.CreateLayer("layer_styles", None, ogr.wkbNone)
        data = None
        assert VectorLayer(path).name == "training"


# ---------------------------------------------------------------- encodings


def old_shapefile(path: Path, encoding: str = "") -> str:
    """Points whose field "société" holds "forêt" and "eau" in ISO-8859-1; the .cpg names `encoding`, if any."""
    data = ogr.GetDriverByName("ESRI Shapefile").CreateDataSource(str(path))
    made = data.CreateLayer(path.stem, None, ogr.wkbPoint)
    made.CreateField(ogr.FieldDefn("soci?t?", ogr.OFTString))
    made.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
    for number, name in enumerate(("for?t", "eau")):
        feature = ogr.Feature(made.GetLayerDefn())
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({X + 15 + 30 * number} {Y - 15})"))
        feature[0], feature[1] = name, number
        made.CreateFeature(feature)
    made = data = feature = None
    table = path.with_suffix(".dbf")
    content = bytearray(table.read_bytes().replace(b"soci?t?", b"soci\xe9t\xe9").replace(b"for?t", b"for\xeat"))
    content[29] = 0  # nor does the table name a code page
    table.write_bytes(content)
    path.with_suffix(".cpg").unlink(missing_ok=True)
    if encoding:
        path.with_suffix(".cpg").write_text(encoding)
    return str(path)


def old_values(path: Path) -> str:
    """A layer with a readable field whose values are not."""
    table = Path(old_shapefile(path)).with_suffix(".dbf")
    table.write_bytes(table.read_bytes().replace(b"soci\xe9t\xe9", b"societe"))
    return str(path)


@pytest.fixture(params=["", None], ids=["as in QGIS", "alone"])
def decoding(request: pytest.FixtureRequest) -> Any:
    """With GDAL's decoding of shapefiles switched off, as QGIS does it for the whole process, and without."""
    gdal.SetConfigOption("SHAPE_ENCODING", request.param)
    yield
    gdal.SetConfigOption("SHAPE_ENCODING", None)


@pytest.mark.usefixtures("decoding")
class TestEncodings:
    def test_the_one_that_the_file_names(self, tmp_path: Path, image: str) -> None:
        path = old_shapefile(tmp_path / "a.shp", "ISO-8859-1")
        out = tmp_path / "out.gpkg"
        values = {"in": image, "vec": path, "field": "société", "strategy": "all", "out": str(out)}
        core.run("SampleSelection", values, Progress())
        written = ogr.Open(str(out))
        assert sorted(feature["société"] for feature in written.GetLayer(0)) == ["eau", "forêt"]

    def test_the_one_that_is_given(self, tmp_path: Path) -> None:
        made = VectorLayer(f"{old_shapefile(tmp_path / 'a.shp')}|option:ENCODING=ISO-8859-1")
        assert made.field("société").kind == "text"

    @pytest.mark.parametrize("where", ["name", "value"])
    @pytest.mark.parametrize(
        "operation",
        [
            "SampleSelection",
            "SampleExtraction",
            "PolygonClassStatistics",
            "DensePolygonClassStatistics",
            "PatchesExtraction",
            "TrainVectorClassifier",
            "ComputeConfusionMatrix",
        ],
    )
    def test_an_unknown_one_is_told(self, tmp_path: Path, image: str, where: str, operation: str) -> None:
        path = old_shapefile(tmp_path / "a.shp") if where == "name" else old_values(tmp_path / "a.shp")
        training = {"in": image, "vec": path, "field": "societe", "out": str(tmp_path / "out.xml")}
        values: dict[str, dict[str, Any]] = {
            "SampleSelection": {**training, "strategy": "all", "out": str(tmp_path / "out.gpkg")},
            "SampleExtraction": {"in": image, "vec": path, "out": str(tmp_path / "out.gpkg")},
            "PolygonClassStatistics": training,
            "DensePolygonClassStatistics": training,
            "PatchesExtraction": {
                "source1.il": [image],
                "source1.patchsizex": 1,
                "source1.patchsizey": 1,
                "vec": path,
                "field": "societe",
                "source1.out": str(tmp_path / "patches.tif"),
            },
            "TrainVectorClassifier": {
                "io.vd": [path],
                "feat": ["class"],
                "cfield": "societe",
                "io.out": str(tmp_path / "out.model"),
            },
            "ComputeConfusionMatrix": {
                "in": image,
                "ref": "vector",
                "ref.vector.in": path,
                "ref.vector.field": "societe",
                "out": str(tmp_path / "out.csv"),
            },
        }
        what = (
            "the name of a field is 'soci\ufffdt\ufffd'"
            if where == "name"
            else "the field societe of feature 0 is 'for\ufffdt'"
        )
        with pytest.raises(VectorError, match=rf"In {path}, {what}, which is not UTF-8.*into a file a\.cpg beside it"):
            core.run(operation, values[operation], Progress())
        assert not [*tmp_path.glob("out*"), *tmp_path.glob("patches*")]

    def test_a_text_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_bytes(b'class,WKT\nfor\xeat,"POINT (1 2)"\n')
        made = VectorLayer(str(path))
        with pytest.raises(VectorError, match="the field class of feature 1 is .* Save the layer again in .* UTF-8"):
            list(made.read_points([made.field("class")], Progress()))


def test_the_number_of_the_features_as_class_is_warned_about(tmp_path: Path, image: str) -> None:
    path = layer(tmp_path / "a.gpkg", [(1, box(1, 1, 3, 3)), (1, box(5, 5, 6, 6))])
    for field in ("fid", "FID", "class"):
        log = Log()
        found = core.run(
            "PolygonClassStatistics", {"in": image, "vec": path, "field": field, "out": str(tmp_path / "s.xml")}, log
        )
        warned = [text for text in log.warnings if "is the number of each feature" in text]
        assert (len(warned), found["classes"]) == ((0, 1) if field == "class" else (1, 2))


def test_a_field_that_is_called_like_the_number_of_the_features_may_hold_classes(tmp_path: Path, image: str) -> None:
    path = str(tmp_path / "a.geojson")
    data = ogr.GetDriverByName("GeoJSON").CreateDataSource(path)
    system = osr.SpatialReference()
    system.ImportFromEPSG(32631)
    made = data.CreateLayer("a", system, ogr.wkbPolygon)
    made.CreateField(ogr.FieldDefn("fid", ogr.OFTInteger))
    for _ in range(2):
        feature = ogr.Feature(made.GetLayerDefn())
        feature.SetGeometry(ogr.CreateGeometryFromWkt(box(1, 1, 3, 3)))
        feature["fid"] = 7
        made.CreateFeature(feature)
    made = data = None
    log = Log()
    found = core.run(
        "PolygonClassStatistics", {"in": image, "vec": path, "field": "fid", "out": str(tmp_path / "s.xml")}, log
    )
    assert found["classes"] == 1
    assert [("has a usual name of feature numbers" in text, "is the number of" in text) for text in log.warnings] == [
        (True, False)
    ]


def test_fields_that_differ_by_case_are_written(tmp_path: Path, image: str) -> None:
    path = tmp_path / "a.geojson"
    shape = {"type": "Point", "coordinates": [X + 15, Y - 15]}
    properties = {"Name": "a", "name": "b", "class": 1}
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32631"}}
    features = [{"type": "Feature", "properties": properties, "geometry": shape}]
    path.write_text(str({"type": "FeatureCollection", "crs": crs, "features": features}).replace("'", '"'))
    log, out = Log(), tmp_path / "out.gpkg"
    run("SampleSelection", {"in": image, "vec": str(path), "strategy": "all", "out": str(out)}, log)
    written = ogr.Open(str(out))
    feature = written.GetLayer(0).GetNextFeature()
    assert (feature["Name"], feature["name_2"], feature["class"]) == ("a", "b", 1)
    assert any("writes the field name as name_2" in text for text in log.warnings)
