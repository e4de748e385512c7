"""Bad input of the operations on training layers is told, and nothing is written."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from polygon_scene import Log, Stop, X, Y, box, layer, point, raster, run

from otbtf_qgis.core.errors import Cancelled, OtbtfError

STATISTICS = ("PolygonClassStatistics", "DensePolygonClassStatistics")


@pytest.fixture
def image(tmp_path: Path) -> str:
    """30 x 20 pixels of two bands: the column and the row."""
    rows, columns = np.mgrid[:20, :30]
    return raster(tmp_path / "image.tif", [columns, rows])


@pytest.fixture
def fields(tmp_path: Path) -> str:
    """Two overlapping fields of 5 x 4 pixels, and one of another class."""
    return layer(tmp_path / "fields.gpkg", [(1, box(0, 0, 5, 4)), (2, box(3, 0, 8, 4)), (1, box(10, 10, 12, 12))])


def bad_inputs(folder: Path) -> dict[str, tuple[str, dict[str, Any], str]]:
    """Case to operation, parameters that differ from good ones, and what the message must say."""
    lines = layer(folder / "lines.gpkg", [(1, f"LINESTRING({X} {Y},{X + 50} {Y - 50})")])
    elsewhere = layer(folder / "elsewhere.gpkg", [(1, box(900, 900, 910, 910))])
    tiny = layer(folder / "tiny.gpkg", [(1, box(1.1, 1.1, 1.2, 1.2))])
    classless = layer(folder / "classless.gpkg", [(None, box(0, 0, 5, 5))])
    away = layer(folder / "away.gpkg", [(1, point(900, 900))])
    shifted = raster(folder / "shifted.tif", np.ones((20, 30)), x=X + 5)
    coloured = raster(folder / "coloured.tif", np.ones((3, 20, 30)))
    empty = raster(folder / "empty.tif", np.full((20, 30), 5), 5)
    (folder / "other.xml").write_text("<GeneralStatistics></GeneralStatistics>")
    (folder / "broken.xml").write_text("<GeneralStatistics>")
    (folder / "seven.xml").write_text(
        '<GeneralStatistics><Statistic name="samplesPerClass"><StatisticMap key="7" value="3"/></Statistic></GeneralStatistics>'
    )
    constant = {"strategy": "constant"}
    return {
        "no such field": ("PolygonClassStatistics", {"field": "clas"}, "no field 'clas'.* Did you mean class"),
        "no such layer": ("PolygonClassStatistics", {"vec": str(folder / "none.gpkg")}, "Cannot open the layer"),
        "no such image": ("PolygonClassStatistics", {"in": str(folder / "none.tif")}, "Cannot open the raster"),
        "elsewhere": ("PolygonClassStatistics", {"vec": elsewhere}, "1 outside the image.*x 5.*EPSG:32631.*EPSG:32631"),
        "no class": ("PolygonClassStatistics", {"vec": classless}, "1 without a class.*field is class"),
        "mask elsewhere": ("PolygonClassStatistics", {"mask": shifted}, "mask .* another grid.*Warp"),
        "mask of bands": ("PolygonClassStatistics", {"mask": coloured}, "3 bands, but must have one"),
        "no folder": ("PolygonClassStatistics", {"out": str(folder / "no" / "out.xml")}, "does not exist: create it"),
        "out is vec": ("PolygonClassStatistics", {"out": lines, "vec": lines}, "also an input"),
        "table format": ("PolygonClassStatistics", {"outtable": str(folder / "t.xyz")}, "OUTTABLE .*xyz"),
        "lines": ("DensePolygonClassStatistics", {"vec": lines}, "Feature 1 .* is a line, but polygons are needed"),
        "no data": ("DensePolygonClassStatistics", {"in": empty}, "no valid pixel"),
        "too small": ("SampleSelection", {"vec": tiny}, "No feature holds a valid pixel"),
        "constant": ("SampleSelection", constant, "STRATEGY_CONSTANT_NB is missing"),
        "constant 0": ("SampleSelection", {**constant, "strategy.constant.nb": 0}, "at least 1"),
        "by class": ("SampleSelection", {"strategy": "byclass"}, "STRATEGY_BYCLASS_IN is missing"),
        "percent": ("SampleSelection", {"strategy": "percent", "strategy.percent.p": 1.5}, "at most 1"),
        "none": (
            "SampleSelection",
            {"strategy": "percent", "strategy.percent.p": 0.001},
            "No class would get a sample",
        ),
        "other xml": ("SampleSelection", {"instats": str(folder / "other.xml")}, "no samplesPerClass"),
        "broken xml": ("SampleSelection", {"instats": str(folder / "broken.xml")}, "is not XML"),
        "other classes": (
            "SampleSelection",
            {"instats": str(folder / "seven.xml")},
            "has no class 1, 2 .it has 7",
        ),
        "memory layer": ("SampleSelection", {"out": "memory:samples"}, "file of its own"),
        "polygons": ("SampleExtraction", {}, "Feature 1 .* POLYGON, but points are needed.*SampleSelection"),
        "no point inside": (
            "SampleExtraction",
            {"vec": away},
            "No point of .* lies in the image.*x 509000.*EPSG:32631",
        ),
        "names": (
            "SampleExtraction",
            {"vec": away, "outfield": "list", "outfield.list.names": "a"},
            "1 names, .* 2 bands",
        ),
        "twice": ("SampleExtraction", {"vec": away, "outfield": "list", "outfield.list.names": "a A"}, "only once"),
    }


BAD = (
    "no such field,no such layer,no such image,elsewhere,no class,mask elsewhere,mask of bands,no folder,out is vec,"
    "table format,lines,no data,too small,constant,constant 0,by class,percent,none,other xml,broken xml,other classes,"
    "memory layer,polygons,no point inside,names,twice"
).split(",")


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_told_and_nothing_is_written(tmp_path: Path, image: str, fields: str, case: str) -> None:
    name, changed, told = bad_inputs(tmp_path)[case]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    out = tmp_path / ("out.xml" if "Statistics" in name else "out.gpkg")
    with pytest.raises(OtbtfError, match=f"(?s){told}"):
        run(name, {"in": image, "vec": fields, "out": str(out), **changed})
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_every_bad_input_is_tried(tmp_path: Path) -> None:
    assert sorted(bad_inputs(tmp_path)) == sorted(BAD)


@pytest.mark.parametrize("name", [*STATISTICS, "SampleSelection", "SampleExtraction"])
def test_a_cancelled_run_leaves_nothing(tmp_path: Path, image: str, fields: str, name: str) -> None:
    vec = layer(tmp_path / "p.gpkg", [(1, point(3, 3))]) if name == "SampleExtraction" else fields
    before = sorted(tmp_path.iterdir())
    out = tmp_path / ("out.xml" if name in STATISTICS else "out.gpkg")
    with pytest.raises(Cancelled):
        run(name, {"in": image, "vec": vec, "out": str(out)}, Stop())
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", [*STATISTICS, "SampleSelection"])
def test_progress_goes_on_to_the_end(tmp_path: Path, image: str, fields: str, name: str) -> None:
    log, out = Log(), tmp_path / ("out.xml" if name in STATISTICS else "out.gpkg")
    run(name, {"in": image, "vec": fields, "out": str(out)}, log)
    assert log.done == sorted(log.done)
    assert log.done[-1] == 1.0


def test_rates_are_a_table(tmp_path: Path, image: str, fields: str) -> None:
    rates = tmp_path / "rates.csv"
    run("SampleSelection", {"in": image, "vec": fields, "out": str(tmp_path / "o.gpkg"), "outrates": str(rates)})
    with rates.open(newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    assert rows[1:] == [["1", "20", "24", "0.833333"], ["2", "20", "20", "1"]]
