"""RunTable: rows of a CSV file or a layer, run one after the other; what is refused, kept and told."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, ogr
from polygon_scene import Log, raster

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import Cancelled, EngineError, ParameterError
from otbtf_qgis.core.tables import fileidentity

BAD_ROWS = (3, 77, 150)


class Told(Log):
    """Keeps what it hears, the messages too that warn of nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(message)


class StopsAfter(Told):
    """Asks to stop once so many rows are done."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self._rows = rows

    def cancelled(self) -> bool:
        return sum(": done in" in line for line in self.lines) >= self._rows


def run(**values: Any) -> dict[str, Any]:
    progress = values.pop("progress", None) or Told()
    return registry.run("RunTable", {name.replace("_", "."): value for name, value in values.items()}, progress)


def table(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def results(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pixels(path: Path) -> Any:
    return gdal.Open(str(path)).ReadAsArray()


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Three images of 3 x 2 pixels, of 1, 2 and 3."""
    for number in (1, 2, 3):
        raster(tmp_path / f"{'abc'[number - 1]}.tif", np.full((2, 3), number))
    return tmp_path


def test_each_row_is_run_and_listed(scenes: Path) -> None:
    path = table(scenes / "t.csv", "id,IL,Comment", "one,a.tif,x", "two,b.tif,y", "three,c.tif,z")
    told = Told()
    out = f'EXP="im1b1 * 2" OUT={scenes}/{{id}}.tif'
    found = run(operation="BandMath", table=path, parameters=out, out=str(scenes / "r.csv"), progress=told)
    assert [pixels(scenes / f"{name}.tif").max() for name in ("one", "two", "three")] == [2, 4, 6]
    rows = results(scenes / "r.csv")
    assert [(row["row"], row["name"], row["status"], row["error"]) for row in rows] == [
        ("1", "one", "done", ""),
        ("2", "two", "done", ""),
        ("3", "three", "done", ""),
    ]
    assert rows[1]["OUT"] == f"{scenes}/two.tif"
    assert (found["rows"], found["done"], found["kept"], found["failed"]) == (3, 3, 0, 0)
    assert any("Comment" in line for line in told.lines)
    assert told.done == sorted(told.done)
    assert told.done[-1] == 1.0


@pytest.fixture
def many(tmp_path: Path) -> str:
    """200 rows of images of 1 x 1 pixels, of which three do not exist."""
    lines = ["id,IL,OUT"]
    for number in range(1, 201):
        name = f"{number:03}.tif"
        if number not in BAD_ROWS:
            raster(tmp_path / name, np.full((1, 1), number))
        lines.append(f"scene{number},{name},doubled-{name}")
    return table(tmp_path / "t.csv", *lines)


def test_of_200_rows_197_are_done_and_three_told_and_none_is_done_twice(many: str, tmp_path: Path) -> None:
    given = {"operation": "BandMath", "table": many, "parameters": 'EXP="im1b1 * 2"', "out": str(tmp_path / "r.csv")}
    stopped = StopsAfter(120)
    with pytest.raises(Cancelled):
        run(**given, progress=stopped)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("doubled-*.tif")}
    assert len(before) == 120
    with open(tmp_path / "r.csv.journal", "a", encoding="utf-8") as journal:
        journal.write('{"identity": "cut o')  # by a kill in the middle of a line

    told = Told()
    found = run(**given, resume=True, progress=told)
    assert (found["done"], found["kept"], found["failed"]) == (197, 120, 3)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.glob("doubled-*.tif")}
    assert len(after) == 197
    assert {path: after[path] for path in before} == before
    failed = [row for row in results(tmp_path / "r.csv") if row["status"] == "failed"]
    assert [int(row["row"]) for row in failed] == list(BAD_ROWS)
    assert all(f"{int(row['row']):03}.tif" in row["error"] for row in failed)
    assert sum("failed:" in line for line in told.warnings) == 3
    assert "scene77" in told.warnings[-1]
    assert [pixels(tmp_path / f"doubled-{number:03}.tif").item() for number in (1, 120, 200)] == [2, 240, 400]


def test_a_row_is_run_again_when_its_input_its_values_or_its_output_changed(scenes: Path) -> None:
    path = table(scenes / "t.csv", "id,IL,OUT", "1,a.tif,1.tif", "2,b.tif,2.tif", "3,c.tif,3.tif")
    given = {"operation": "BandMath", "table": path, "parameters": "EXP=im1b1*2", "out": str(scenes / "r.csv")}
    run(**given)
    assert run(**given, resume=True)["kept"] == 3
    raster(scenes / "a.tif", np.full((2, 3), 7))
    (scenes / "2.tif").unlink()
    found = run(**given, resume=True)
    assert (found["kept"], found["done"]) == (1, 3)
    assert [pixels(scenes / f"{number}.tif").max() for number in (1, 2, 3)] == [14, 4, 6]
    assert run(**{**given, "parameters": "EXP=im1b1*3"}, resume=True)["kept"] == 0
    told = Told()
    assert run(**given, progress=told)["kept"] == 0  # nothing of an earlier run counts unless it is asked for
    assert any("noted" in line and "all rows are run again" in line for line in told.lines), told.lines


def test_an_output_that_another_run_has_replaced_is_not_kept(scenes: Path) -> None:
    path = table(scenes / "t.csv", "IL,OUT", "a.tif,1.tif", "b.tif,2.tif")
    given = {"operation": "BandMath", "table": path, "parameters": "EXP=im1b1*2", "out": str(scenes / "r.csv")}
    run(**given)
    size = (scenes / "1.tif").stat().st_size
    run(**{**given, "parameters": "EXP=im1b1*3", "out": str(scenes / "other.csv")})
    assert (scenes / "1.tif").stat().st_size == size
    assert run(**given, resume=True)["kept"] == 0
    assert [pixels(scenes / f"{number}.tif").max() for number in (1, 2)] == [2, 4]


def test_what_an_earlier_run_has_noted_lasts_until_a_row_is_done(scenes: Path) -> None:
    path = table(scenes / "t.csv", "IL,OUT", "a.tif,1\u2028.tif", "b.tif,2.tif")
    given = {"operation": "BandMath", "table": path, "parameters": "EXP=im1b1*2", "out": str(scenes / "r.csv")}
    run(**given)
    with pytest.raises(Cancelled):
        run(**given, progress=StopsAfter(0))
    assert run(**given, resume=True)["kept"] == 2


def test_one_journal_is_of_one_run(scenes: Path) -> None:
    path = table(scenes / "t.csv", "IL,OUT", "a.tif,1.tif", "b.tif,2.tif")
    given = {"operation": "BandMath", "table": path, "parameters": "EXP=im1b1*2", "out": str(scenes / "r.csv")}

    class Another(Told):
        def info(self, message: str) -> None:
            super().info(message)
            if "done in" in message and len(self.lines) == 1:
                with pytest.raises(ParameterError, match="OUT is .*, which another run is making: its journal"):
                    run(**given, resume=True)
                self.lines.append("refused")

    first = Another()
    assert run(**given, progress=first)["done"] == 2
    assert "refused" in first.lines
    assert run(**given, resume=True)["kept"] == 2


def test_a_refused_run_leaves_no_journal(scenes: Path) -> None:
    path = table(scenes / "t.csv", "IL,OUT", "a.tif,1.tif")
    with pytest.raises(ParameterError):
        run(operation="BandMath", table=path, parameters="EXP=im1b1", cluster="nobody", out=str(scenes / "r.csv"))
    assert sorted(path.name for path in scenes.iterdir()) == ["a.tif", "b.tif", "c.tif", "t.csv"]


def test_rows_of_a_layer_are_those_of_a_csv(scenes: Path) -> None:
    dataset = gdal.GetDriverByName("GPKG").Create(str(scenes / "t.gpkg"), 0, 0, 0, gdal.GDT_Unknown)
    layer = dataset.CreateLayer("runs", None, ogr.wkbNone)
    layer.CreateField(ogr.FieldDefn("IL", ogr.OFTString))
    layer.CreateField(ogr.FieldDefn("factor", ogr.OFTInteger))
    layer.CreateField(ogr.FieldDefn("RAM", ogr.OFTInteger))  # null, which is not given
    for image, factor in (("a.tif", 1), ("b.tif", 2)):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature["IL"], feature["factor"] = image, factor
        layer.CreateFeature(feature)
    feature = layer = dataset = None
    out = {"EXP": "im1b1 + 1", "OUT": str(scenes / "x{factor}-{row}.tif")}
    run(
        operation="BandMath",
        table=f"{scenes}/t.gpkg|layername=runs",
        parameters=json.dumps(out),
        out=str(scenes / "r.csv"),
    )
    assert [pixels(scenes / name).max() for name in ("x1-1.tif", "x2-2.tif")] == [2, 3]


def test_lists_keys_of_sources_and_tables_with_semicolons(scenes: Path) -> None:
    path = table(
        scenes / "t.csv", "il;exp;out", '"a.tif;b.tif";im1b1+im2b1;s.tif', '"[""b.tif"", ""c.tif""]";im1b1*im2b1;p.tif'
    )
    run(operation="BandMath", table=path, out=str(scenes / "r.csv"))
    assert [pixels(scenes / name).max() for name in ("s.tif", "p.tif")] == [3, 6]


def test_a_quoted_name_of_a_column_may_hold_another_separator(scenes: Path) -> None:
    path = table(scenes / "t.csv", '\ufeffIL,OUT,"a;b;c;d",id', 'a.tif,{id}.tif,x,"one\ntwo"', "b.tif,y.tif,,  three  ")
    run(operation="BandMath", table=path, parameters="EXP=im1b1", out=str(scenes / "r.csv"))
    assert [row["name"] for row in results(scenes / "r.csv")] == ["one two", "three"]


REFUSED = {
    "two rows with one output": (
        ["IL,OUT", "a.tif,x.tif", "b.tif,x.tif"],
        "EXP=im1b1",
        ("Row 2 (line 3)", "Row 1", "x.tif", "{row}"),
    ),
    "an output for all rows": (["IL", "a.tif", "b.tif"], "EXP=im1b1 OUT=/tmp/x.tif", ("Row 2", "/tmp/x.tif")),
    "an unknown column": (["ILL,OUT", "a.tif,x.tif"], "EXP=im1b1", ("column ILL", "Did you mean IL?")),
    "an unknown parameter": (["IL,OUT", "a.tif,x.tif"], "EXPP=im1b1", ("EXPP", "Did you mean EXP?")),
    "a missing value": (["IL,OUT", "a.tif,x.tif", ",y.tif"], "EXP=im1b1", ("Row 2 (line 3)", "column IL")),
    "a value that is none": (
        ["IL,OUT,ram", "a.tif,x.tif,much"],
        "EXP=im1b1",
        ("Row 1 (line 2)", "column ram", "'much'"),
    ),
    "a name that is no column": (
        ["IL,OUT,scene", "a.tif,{scne}.tif,s"],
        "EXP=im1b1",
        ("Row 1", "{scne}", "Did you mean scene?"),
    ),
    "a name without a value": (["IL,OUT,scene", "a.tif,{scene}.tif,"], "EXP=im1b1", ("Row 1", "column scene")),
    "a name that leads away": (
        ["IL,OUT,scene", "a.tif,{scene}.tif,../x"],
        "EXP=im1b1",
        ("Row 1", "column scene", "'../x'"),
    ),
    "one output by two ways": (
        ["IL,OUT", "a.tif,x.tif", "b.tif,../{folder}/x.tif"],
        "EXP=im1b1",
        ("Row 2 (line 3)", "an output of Row 1"),
    ),
    "a brace alone": (
        ["IL,OUT,id", "a.tif,{id.tif,x"],
        "EXP=im1b1",
        ("Row 1", "OUT: {id.tif has the brace {", "write {{"),
    ),
    "a mask without items": (["IL,OUT", "a.tif,x.tif"], "EXP=im1b1", ("MASK is for STAC items, but TABLE is",)),
    "an output that is read": (["IL,OUT", "a.tif,x.tif", "x.tif,y.tif"], "EXP=im1b1", ("Row 2", "Row 1", "x.tif")),
    "the results as an output": (["IL,OUT", "a.tif,r.csv"], "EXP=im1b1", ("Row 1", "r.csv")),
    "a value given twice": (["IL,OUT,EXP", "a.tif,x.tif,im1b1"], "EXP=im1b1", ("EXP", "column EXP")),
    "two columns of one name": (["IL,il,OUT", "a.tif,a.tif,x.tif"], "EXP=im1b1", ("IL and il",)),
    "a row that is too long": (["IL,OUT", "a.tif,x.tif,y"], "EXP=im1b1", ("line 2", "3 values", "2 columns")),
    "no rows": (["IL,OUT"], "EXP=im1b1", ("no rows",)),
    "an expression that is none": (["IL,OUT", "a.tif,x.tif"], "EXP=im1b1+", ("Row 1", "character 7")),
    "a word without a name": (["IL,OUT", "a.tif,x.tif"], "im1b1", ("PARAMETERS", "'im1b1'")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_right_is_refused_before_anything_runs(scenes: Path, case: str) -> None:
    lines, parameters, words = REFUSED[case]
    path = table(scenes / "t.csv", *(line.replace("{folder}", scenes.name) for line in lines))
    mask = "SCL=1" if "mask" in case else ""
    with pytest.raises(ParameterError) as caught:
        run(operation="BandMath", table=path, parameters=parameters, mask=mask, out=str(scenes / "r.csv"))
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
    assert sorted(path.name for path in scenes.iterdir()) == ["a.tif", "b.tif", "c.tif", "t.csv"]


@pytest.mark.parametrize("name", ["out", "out_items", "out_merged"])
def test_no_result_of_all_rows_replaces_an_input(scenes: Path, name: str) -> None:
    """Neither one of a column nor one that all rows have in common."""
    given = {"operation": "SampleSelection", "table": str(scenes / "t.csv"), "merge": True}
    given |= {"out": str(scenes / "r.csv"), name: str(scenes / "fields.gpkg")}
    (scenes / "fields.gpkg").write_bytes(b"fields")
    for line, common in (
        ("IN,VEC,OUT\na.tif,fields.gpkg,x.gpkg", ""),
        ("IN,OUT\na.tif,x.gpkg", f"VEC={scenes}/fields.gpkg"),
    ):
        (scenes / "t.csv").write_text(f"{line}\n")
        with pytest.raises(ParameterError, match=rf"Row 1 \(line 2\): VEC is .*fields.gpkg, which is {name.upper()}:"):
            run(**given, parameters=f"FIELD=class INSTATS=stats.xml {common}")
    assert (scenes / "fields.gpkg").read_bytes() == b"fields"


@pytest.mark.parametrize("layer", ["", "|layername=samples", "|layerid=0", "|layername=samples|subset=a=1"])
def test_a_layer_that_another_row_makes_is_refused(scenes: Path, layer: str) -> None:
    path = table(scenes / "t.csv", "IN,VEC,OUT", "a.tif,fields.gpkg,x.gpkg", f"b.tif,x.gpkg{layer},y.gpkg")
    with pytest.raises(ParameterError, match=r"Row 2 \(line 3\): VEC is .*x\.gpkg, which is an output of Row 1"):
        run(operation="SampleExtraction", table=path, out=str(scenes / "r.csv"))


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"operation": "InstallEngine"}, "OPERATION is 'InstallEngine'"),
        ({"operation": "RunTable"}, "OPERATION is 'RunTable'"),
        ({"merge": True}, "MERGE is on, but results of BandMath"),
        ({"out_merged": "x.xml"}, "OUT_MERGED is given, but MERGE is off"),
        (
            {"operation": "PolygonClassStatistics", "parameters": "VEC=v.gpkg", "merge": True, "out_merged": "p.gpkg"},
            r"OUT_MERGED is p.gpkg, but what MERGE writes for PolygonClassStatistics is a \.xml file",
        ),
        (
            {
                "operation": "ComputeConfusionMatrix",
                "parameters": "NODATALABEL=0",
                "merge": True,
                "out_merged": "m.xml",
            },
            r"OUT_MERGED is m.xml, .*ends with \.csv",
        ),
        ({"mask": "SCL"}, "MASK is 'SCL'"),
        ({"table": "none.csv"}, "none.csv, which does not exist"),
    ],
)
def test_what_makes_no_sense_is_refused(scenes: Path, values: dict[str, Any], word: str) -> None:
    path = table(scenes / "t.csv", "IL,OUT", "a.tif,x.tif")
    given = {"operation": "BandMath", "table": path, "parameters": "EXP=im1b1", "out": str(scenes / "r.csv"), **values}
    with pytest.raises(ParameterError, match=word):
        run(**given)


def test_where_all_rows_fail_the_run_does(scenes: Path) -> None:
    path = table(scenes / "t.csv", "IL,OUT", "none.tif,x.tif", "nothing.tif,y.tif")
    with pytest.raises(EngineError, match="All 2 rows failed.*none.tif"):
        run(operation="BandMath", table=path, parameters="EXP=im1b1", out=str(scenes / "r.csv"))
    assert [row["status"] for row in results(scenes / "r.csv")] == ["failed", "failed"]


def test_every_operation_is_run_by_tables_or_said_to_be_none_for_them() -> None:
    from otbtf_qgis.core.parameters.tableoperations import MERGED, OPERATIONS
    from otbtf_qgis.core.tables.merging import MERGES

    others = {"CreateExampleData", "EngineReport", "InstallEngine", "TensorBoard"}
    others |= {"RunTable", "RunCommandLine", "SearchSettings"}  # which run several themselves
    assert {*OPERATIONS, *others} == set(registry.names())
    assert set(MERGED) == set(MERGES) <= set(OPERATIONS)


def test_a_virtual_raster_of_what_another_row_makes_is_refused(scenes: Path) -> None:
    """Through another virtual raster, whether its source is there or not."""
    (scenes / "x.tif").write_bytes((scenes / "c.tif").read_bytes())
    for name, source in (("one", "x.tif"), ("two", "one.vrt")):
        gdal.BuildVRT(str(scenes / f"{name}.vrt"), [str(scenes / source)]).FlushCache()
    path = table(scenes / "t.csv", "IL,OUT", "a.tif,x.tif", "two.vrt,y.tif")
    for _ in range(2):
        with pytest.raises(ParameterError, match=r"Row 2 \(line 3\): IL is .*two\.vrt, which is an output of Row 1"):
            run(operation="BandMath", table=path, parameters="EXP=im1b1", out=str(scenes / "r.csv"))
        (scenes / "x.tif").unlink(missing_ok=True)


def test_a_row_is_run_again_when_a_source_of_a_source_changed(scenes: Path) -> None:
    for name, source in (("one", "a.tif"), ("two", "one.vrt")):
        gdal.BuildVRT(str(scenes / f"{name}.vrt"), [str(scenes / source)]).FlushCache()
    path = table(scenes / "t.csv", "IL,OUT", "two.vrt,y.tif")
    given = {"operation": "BandMath", "table": path, "parameters": "EXP=im1b1*2", "out": str(scenes / "r.csv")}
    run(**given)
    raster(scenes / "a.tif", np.full((2, 3), 7))
    assert run(**given, resume=True)["kept"] == 0
    assert pixels(scenes / "y.tif").tolist() == [[14] * 3] * 2


def test_the_files_of_a_raster_are_looked_at_once_in_a_run(scenes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows read it; what has changed since is another input to the next run."""
    looks: list[str] = []
    monkeypatch.setattr(fileidentity, "_files_of_raster", lambda source: looks.append(source) or [source])
    path = table(scenes / "t.csv", "IL,OUT", *(f"a.tif,{number}.tif" for number in range(5)))
    given = {"operation": "BandMath", "table": path, "parameters": "EXP=im1b1", "out": str(scenes / "r.csv")}
    run(**given)
    assert len(looks) == 1
    assert run(**given, resume=True)["kept"] == 5
    raster(scenes / "a.tif", np.full((2, 3), 7))
    assert run(**given, resume=True)["kept"] == 0
    assert len(looks) == 3


def test_a_raster_that_is_named_by_vrt_is_read_again_when_its_file_changed(scenes: Path) -> None:
    path = table(scenes / "t.csv", "IL,OUT", f"vrt://{scenes}/a.tif?bands=1,y.tif")
    given = {"operation": "BandMath", "table": path, "parameters": "EXP=im1b1*2", "out": str(scenes / "r.csv")}
    run(**given)
    assert run(**given, resume=True)["kept"] == 1
    raster(scenes / "a.tif", np.full((2, 3), 7))
    assert run(**given, resume=True)["kept"] == 0
    assert pixels(scenes / "y.tif").tolist() == [[14] * 3] * 2


def test_a_missing_input_is_told_in_either_mode_of_gdal(scenes: Path) -> None:
    path = table(scenes / "t.csv", "IL,OUT", "a.tif,x.tif", "nope.tif,y.tif")
    given = {"operation": "BandMath", "table": path, "parameters": "EXP=im1b1", "out": str(scenes / "r.csv")}
    before = gdal.GetUseExceptions()
    gdal.UseExceptions()
    try:
        assert run(**given)["failed"] == 1
    finally:
        if not before:
            gdal.DontUseExceptions()
    error = results(scenes / "r.csv")[1]["error"]
    assert "nope.tif" in error and "TypeError" not in error
