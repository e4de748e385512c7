"""Vector files that lose their end, as a copy that was interrupted, are refused; whole ones are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from osgeo import gdal, ogr, osr

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import VectorError
from otbtf_qgis.core.vectors.vectorlayer import VectorLayer

ROWS = 200
FORMATS = {
    "GeoPackage": ("GPKG", "gpkg", [], []),
    "shapefile": ("ESRI Shapefile", "shp", [], []),
    "GeoJSON": ("GeoJSON", "geojson", [], []),
    "FlatGeobuf": ("FlatGeobuf", "fgb", [], []),
    "FlatGeobuf without index": ("FlatGeobuf", "fgb", [], ["SPATIAL_INDEX=NO"]),
    "GML": ("GML", "gml", [], []),
    "KML": ("KML", "kml", [], []),
    "MapInfo table": ("MapInfo File", "tab", [], []),
    "MapInfo interchange": ("MapInfo File", "mif", ["FORMAT=MIF"], []),
    "SQLite": ("SQLite", "sqlite", [], []),
}
DESCRIBES = (".xsd", ".prj", ".cpg")
"""What says how others are read: without it they are read, or refused, for other reasons."""


def layer_of(folder: Path, kind: str, rows: int = ROWS) -> Path:
    """Write points at (number, 40)."""
    driver, extension, creation, options = FORMATS[kind]
    path = folder / f"points.{extension}"
    system = osr.SpatialReference()
    system.ImportFromEPSG(4326)
    system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    dataset = gdal.GetDriverByName(driver).Create(str(path), 0, 0, 0, gdal.GDT_Unknown, creation)
    layer = dataset.CreateLayer("points", system, ogr.wkbPoint, options)
    layer.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
    for number in range(rows):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetField("class", number % 3)
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({number / 10} 40)"))
        layer.CreateFeature(feature)
    del feature, layer, dataset
    return path


def count(path: Path) -> int:
    layer = VectorLayer(str(path))
    return sum(len(part) + part.without for part in layer.read_points([], Progress()))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_part_that_lost_its_end_is_refused(tmp_path: Path, kind: str) -> None:
    path = layer_of(tmp_path, kind)
    assert count(path) == ROWS
    for part in [item for item in tmp_path.iterdir() if item.suffix not in DESCRIBES]:
        content = part.read_bytes()
        for share in (0, 0.03, 0.2, 0.4, 0.55, 0.7, 0.8, 0.9, 0.97):
            part.write_bytes(content[: int(len(content) * share)])
            try:
                found = count(path)
            except VectorError:
                continue
            assert found == ROWS, (part.name, share)  # the rest of the file is not needed
        part.write_bytes(content)
    assert count(path) == ROWS


@pytest.mark.parametrize("kind", ["FlatGeobuf", "FlatGeobuf without index"])
def test_a_file_that_ends_between_two_features_is_refused(tmp_path: Path, kind: str) -> None:
    """GDAL takes that for the end of all features."""
    path = layer_of(tmp_path, kind)
    content = path.read_bytes()
    ends = _ends_of_features(content)
    for end in (ends[0], ends[ROWS // 2], ends[-2]):
        path.write_bytes(content[:end])
        with pytest.raises(VectorError, match="points.fgb is damaged or incomplete: its header tells of 200 features"):
            count(path)


def _ends_of_features(content: bytes) -> list[int]:
    """Find the features: each begins with its size, and these lead from the first one to the end of the file."""
    for start in range(8, len(content) - 4):
        ends, place = [], start
        while place + 4 <= len(content) and (size := int.from_bytes(content[place : place + 4], "little")) > 8:
            place += 4 + size
            ends.append(place)
        if place == len(content) and len(ends) == ROWS:
            return ends
    raise AssertionError("no features found")


@pytest.mark.parametrize("kind", ["FlatGeobuf", "FlatGeobuf without index", "MapInfo table", "MapInfo interchange"])
def test_whole_files_of_few_rows_are_read(tmp_path: Path, kind: str) -> None:
    assert count(layer_of(tmp_path, kind, 1)) == 1


@pytest.mark.parametrize("extension", ["tab", "mif"])
def test_rows_without_geometry_are_read(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"rows.{extension}"
    dataset = gdal.GetDriverByName("MapInfo File").Create(
        str(path), 0, 0, 0, gdal.GDT_Unknown, [f"FORMAT={extension.upper()}"] if extension == "mif" else []
    )
    layer = dataset.CreateLayer("rows", None, ogr.wkbPoint)
    layer.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
    for number in range(5):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetField("class", number)
        if number % 2 == 0:
            feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({number} 1)"))
        layer.CreateFeature(feature)
    del feature, layer, dataset
    parts = list(VectorLayer(str(path)).read_points([], Progress()))
    assert (sum(map(len, parts)), sum(part.without for part in parts)) == (3, 2)


def test_a_line_end_in_a_text_ends_no_row(tmp_path: Path) -> None:
    path = layer_of(tmp_path, "MapInfo interchange", 2)
    rows = (tmp_path / "points.mid").read_bytes().splitlines()
    header = (tmp_path / "points.mif").read_text()
    assert rows == [b"0", b"1"] and "class Integer" in header
    (tmp_path / "points.mif").write_text(header.replace("class Integer", "class Char(20)"))
    (tmp_path / "points.mid").write_bytes(b'"two\nlines, ""quoted"""\r\n"one"\r\n\n')
    assert count(path) == 2


@pytest.mark.parametrize("kind", ["MapInfo table", "MapInfo interchange"])
def test_of_a_folder_the_files_of_the_layer_count(tmp_path: Path, kind: str) -> None:
    path = layer_of(tmp_path, kind, 3)
    for part in list(tmp_path.iterdir()):
        part.rename(tmp_path / f"few{part.suffix}")
    layer_of(tmp_path, kind, 5)
    damaged = tmp_path / ("few.dat" if path.suffix == ".tab" else "few.mif")
    damaged.write_bytes(damaged.read_bytes()[: -4 if path.suffix == ".tab" else -30])  # a part of the last row
    with pytest.raises(VectorError, match="few"):
        VectorLayer(str(tmp_path / f"few{path.suffix}"))
    layer = VectorLayer(f"{tmp_path}|layername=points")
    assert sum(map(len, layer.read_points([], Progress()))) == 5
