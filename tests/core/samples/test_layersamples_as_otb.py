"""The sampling applications come out as OTB's, recorded in tests/data/otb_sampling (its README says how)."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from osgeo import ogr
from otb_scene import LAYERS, ORIGIN_X, SELECTIONS, SPACING, make, system

from otbtf_qgis.core import registry
from otbtf_qgis.core.geometry.grid import Box
from otbtf_qgis.core.samples.counting import otb_tiles

RECORD = Path(__file__).resolve().parents[2] / "data" / "otb_sampling"
CASES = sorted(json.loads((RECORD / "numbers.json").read_text()))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scene")
    make(folder)
    return folder


def recorded(name: str) -> Any:
    return json.loads((RECORD / name).read_text())


def table(name: str, case: str) -> list[dict[str, str]]:
    with (RECORD / name).open(newline="") as file:
        reader = csv.DictReader(file)
        first = (reader.fieldnames or [""])[0]
        return [row for row in reader if row[first] == case]


def inputs(scene: Path, case: str) -> dict[str, str]:
    layer, _, mask = case.partition(" ")
    given = {"in": str(scene / "image.tif"), "vec": str(scene / f"{layer}.gpkg"), "field": "class"}
    return {**given, "mask": str(scene / mask)} if mask else given


def rows_of(path: Path, *fields: str) -> list[tuple[Any, ...]]:
    dataset = ogr.Open(str(path))
    return [
        (feature.GetGeometryRef().GetX(), feature.GetGeometryRef().GetY(), *(feature[field] for field in fields))
        for feature in dataset.GetLayer(0)
    ]


@pytest.mark.parametrize("case", [f"{layer}{mask}" for layer in LAYERS for mask in ("", " mask.tif")])
def test_every_feature_counts_for_itself(scene: Path, tmp_path: Path, case: str) -> None:
    out = tmp_path / "statistics.xml"
    registry.run("PolygonClassStatistics", {**inputs(scene, case), "out": str(out)})
    found = {}
    for name, body in re.findall(r'<Statistic name="(\w+)">(.*?)</Statistic>', out.read_text(), re.DOTALL):
        found[name] = {key: int(value) for key, value in re.findall(r'key="(.*?)" value="(\d+)"', body)}
    assert found == recorded("statistics.json")[case]


def select(scene: Path, case: str, out: Path, **more: str) -> dict[str, Any]:
    *layer, name = case.split(" ")
    given = dict(SELECTIONS[name])
    if "strategy.byclass.in" in given:
        given["strategy.byclass.in"] = str(scene / given["strategy.byclass.in"])
    return registry.run("SampleSelection", {**inputs(scene, " ".join(layer)), **given, **more, "out": str(out)})


@pytest.mark.parametrize("case", CASES)
def test_each_class_gets_as_many_samples(scene: Path, tmp_path: Path, case: str) -> None:
    out, rates = tmp_path / "samples.gpkg", tmp_path / "rates.csv"
    results = select(scene, case, out, outrates=str(rates))
    assert Counter(str(row[2]) for row in rows_of(out, "class")) == recorded("numbers.json")[case]
    assert results["samples"] == sum(recorded("numbers.json")[case].values())
    assert sorted(rates.read_text().splitlines()) == sorted(recorded("rates.json")[case].splitlines())


POSITIONS = [case for case in CASES if table("samples.csv", case)]


@pytest.mark.parametrize("case", POSITIONS)
def test_periodic_samples_lie_at_the_same_places(scene: Path, tmp_path: Path, case: str) -> None:
    out = tmp_path / "samples.gpkg"
    select(scene, case, out)
    expected = [
        (float(row["x"]), float(row["y"]), int(row["class"]), int(row["originfid"]))
        for row in table("samples.csv", case)
    ]
    # OTB sorts the classes of a tile as texts
    expected.sort(key=lambda row: (row[0] >= ORIGIN_X + 48 * SPACING, row[2]))
    assert rows_of(out, "class", "originfid") == [pytest.approx(row, rel=0, abs=0.005) for row in expected]


def test_positions_are_recorded_for_every_layer() -> None:
    assert {case.split(" ")[0] for case in POSITIONS} == set(LAYERS)


VALUES = sorted(json.loads((RECORD / "statistics.json").read_text()))


@pytest.mark.parametrize("case", VALUES)
def test_values_are_the_same(scene: Path, tmp_path: Path, case: str) -> None:
    expected = table("values.csv", case)
    assert expected
    samples, out = tmp_path / "samples.gpkg", tmp_path / "values.gpkg"
    points(samples, [(float(row["x"]), float(row["y"]), int(row["originfid"])) for row in expected])
    registry.run("SampleExtraction", {"in": str(scene / "image.tif"), "vec": str(samples), "out": str(out)})
    fields = ("x", "y", "originfid", "value_0", "value_1")
    found = rows_of(out, *fields[2:])
    assert found == [pytest.approx([float(row[field]) for field in fields], rel=0, abs=0.005) for row in expected]


def points(path: Path, rows: list[tuple[float, float, int]]) -> None:
    dataset = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = dataset.CreateLayer("samples", system(), ogr.wkbPoint)
    layer.CreateField(ogr.FieldDefn("originfid", ogr.OFTInteger))
    for x, y, origin in rows:
        feature = ogr.Feature(layer.GetLayerDefn())
        feature["originfid"] = origin
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT({x} {y})"))
        layer.CreateFeature(feature)


def test_statistics_of_otb_are_read(scene: Path, tmp_path: Path) -> None:
    """A file as OTB writes it: quotes of both kinds, a class without a name."""
    statistics = tmp_path / "otb.xml"
    entries = "".join(
        f"<StatisticMap key='{'crop &amp; &lt;'}{label}&gt;' value=\"{count}\" />\n"
        for label, count in recorded("statistics.json")["polygons"]["samplesPerClass"].items()
    )
    statistics.write_text(
        '<?xml version="1.0" ?>\n<GeneralStatistics>\n<Statistic name="samplesPerClass">\n'
        f'<StatisticMap key="" value="3" />\n{entries}</Statistic>\n</GeneralStatistics>\n'
    )
    out = tmp_path / "samples.gpkg"
    select(scene, "polygons constant", out, field="name", instats=str(statistics))
    expected = recorded("numbers.json")["polygons constant"]
    assert Counter(row[2] for row in rows_of(out, "name")) == {f"crop & <{key}>": n for key, n in expected.items()}


@pytest.mark.parametrize(
    ("size", "bands", "ram", "sides"),
    [
        ((600, 500), 1, 256, (560,)),
        ((600, 500), 1, 1, (320, 320)),
        ((600, 500), 4, 1, (176, 176)),
        ((600, 500), 4, 2, (256, 256)),
        ((1000, 1000), 1, 256, ()),
        ((8000, 6000), 1, 256, (4912, 4912)),
        ((10980, 10980), 1, 256, (5504, 5504)),
    ],
)
def test_tiles_are_those_seen_in_otb(size: tuple[int, int], bands: int, ram: int, sides: tuple[int, ...]) -> None:
    """Where the second tile of the first row, and of the first column, begins."""
    tiles = otb_tiles(Box(0, 0, *size), bands, ram)
    columns, rows = sorted({tile.x for tile in tiles}), sorted({tile.y for tile in tiles})
    assert (*columns[1:2], *rows[1:2]) == sides
    assert sum(tile.area for tile in tiles) == size[0] * size[1]
