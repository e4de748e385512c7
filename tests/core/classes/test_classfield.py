"""Whether a text field holds numbers or names: the same answer wherever a class field is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from classifier_scene import run
from osgeo import gdal, ogr
from points import write_points
from polygon_scene import Log, X, Y, box, layer, point, raster

from otbtf_qgis.core import registry
from otbtf_qgis.core.classes.classfield import class_number
from otbtf_qgis.core.errors import ParameterError

COLUMNS = 12
IMAGE = np.arange(4 * COLUMNS).reshape(4, COLUMNS)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("0", 0), ("7", 7), ("-3", -3), ("2147483647", 2**31 - 1), ("-2147483648", -(2**31))),
        *((text, None) for text in ("", "01", "+1", "-0", " 1", "1 ", "1.0", "1e2", "1_0", "٣", "forest", "nan")),
        *((text, None) for text in ("2147483648", "-2147483649", "9" * 5000)),
    ],
)
def test_a_number_is_what_python_writes(text: str, number: int | None) -> None:
    assert class_number(text) == number


def points(folder: Path, texts: list[Any], name: str = "p.gpkg") -> str:
    """A point in each column of the second row, with a text."""
    return layer(folder / name, [(text, point(at + 0.5, 1.5)) for at, text in enumerate(texts)], ogr.OFTString)


# Texts of a field, the classes' values in the order of the texts, and their names.
FIELDS = [
    (["3", "1", "2", "3"], [3, 1, 2, 3], {1: "1", 2: "2", 3: "3"}),
    (["-5", "40000", "7"], [-5, 40000, 7], {-5: "-5", 7: "7", 40000: "40000"}),
    (["3", "01", "1"], [2, 0, 1], {0: "01", 1: "1", 2: "3"}),
    (["2", "forest"], [0, 1], {0: "2", 1: "forest"}),
    (["2", "", "1"], [2, 1], {1: "1", 2: "2"}),
    (["3000000000", "1"], [1, 0], {0: "1", 1: "3000000000"}),
]


def extract(folder: Path, source: str, name: str = "") -> tuple[list[int], list[dict[str, Any]]]:
    """The labels of patches, and their classes."""
    labels = str(folder / f"labels{name}.tif")
    image = raster(folder / "image.tif", IMAGE)
    size = {"source1.patchsizex": 1, "source1.patchsizey": 1}
    patches = {"source1.il": [image], "source1.out": str(folder / f"patches{name}.tif"), **size}
    registry.run("PatchesExtraction", {**patches, "vec": source, "field": "class", "outlabels": labels}, Log())
    return gdal.Open(labels).ReadAsArray().ravel().tolist(), json.loads(Path(labels + ".json").read_text())["classes"]


@pytest.mark.parametrize(("texts", "values", "names"), FIELDS)
def test_patches(tmp_path: Path, texts: list[str], values: list[int], names: dict[int, str]) -> None:
    labels, classes = extract(tmp_path, points(tmp_path, texts))
    assert labels == values
    assert {row["value"]: row["name"] for row in classes} == names


def test_a_feature_without_a_patch_counts_for_the_field(tmp_path: Path) -> None:
    outside = [("1", point(0.5, 0.5)), ("2", point(1.5, 0.5)), ("01", point(99, 99))]
    assert extract(tmp_path, layer(tmp_path / "p.gpkg", outside, ogr.OFTString))[0] == [0, 1]


@pytest.mark.parametrize(("texts", "values", "names"), FIELDS[:4])
def test_samples_tell_their_classes(tmp_path: Path, texts: list[str], values: list[int], names: dict[int, str]) -> None:
    image, source = raster(tmp_path / "image.tif", IMAGE), points(tmp_path, texts)
    result = run(
        "SampleSelection", **{"in": image}, vec=source, field="class", strategy="all", out=str(tmp_path / "s.gpkg")
    )
    numbers = values == [int(text) if text.lstrip("-").isdigit() else None for text in texts]
    told = {row["value"]: row.get("name") for row in json.loads(result["legend"])}
    assert told == (names if numbers else dict.fromkeys(texts))
    labels, classes = extract(tmp_path, str(tmp_path / "s.gpkg"))
    assert sorted(labels) == sorted(values)
    assert {row["value"]: row["name"] for row in classes} == names
    extracted = str(tmp_path / "e.gpkg")
    again = run("SampleExtraction", **{"in": image}, vec=str(tmp_path / "s.gpkg"), field="class", out=extracted)
    assert {row["value"]: row.get("name") for row in json.loads(again["legend"])} == told


def test_statistics_keep_texts_apart(tmp_path: Path) -> None:
    source = layer(
        tmp_path / "f.gpkg", [("1", box(0, 0, 2, 1)), ("01", box(3, 0, 6, 1)), ("", box(7, 0, 9, 1))], ogr.OFTString
    )
    image = raster(tmp_path / "image.tif", IMAGE)
    for name in ("PolygonClassStatistics", "DensePolygonClassStatistics"):
        out = tmp_path / "statistics.xml"
        registry.run(name, {"in": image, "vec": source, "field": "class", "out": str(out)}, Log())
        assert 'key="1" value="2"' in out.read_text() and 'key="01" value="3"' in out.read_text()
        assert 'key=""' not in out.read_text()


def attributes(folder: Path, name: str, texts: list[Any]) -> str:
    """Places with a class and an attribute that tells it: its position among all texts."""
    known = ["1", "2", "3", "01", "forest"]
    values = [100.0 * known.index(str(text)) + at % 3 for at, text in enumerate(texts)]
    return write_points(folder / name, [(0.0, 0.0)] * len(texts), value_0=values, **{"class": texts})


def classify(folder: Path, training: list[str], validation: list[str]) -> list[tuple[int, str]]:
    out = str(folder / "c.skops")
    given = {"io.vd": training, "valid.vd": validation, "feat": "value_0", "cfield": "class", "io.out": out}
    registry.run("TrainVectorClassifier", {**given, "classifier": "knn", "classifier.knn.k": 1, "rand": 1}, Log())
    image = raster(folder / "image.tif", IMAGE)
    made = registry.run("ImageClassifier", {"in": image, "model": out, "out": str(folder / "m.tif")}, Log())
    return [(row["value"], row["name"]) for row in made["classes"]]


def test_classifiers_look_at_all_layers(tmp_path: Path) -> None:
    first = attributes(tmp_path, "a.gpkg", ["1", "2"] * 6)
    second = attributes(tmp_path, "b.gpkg", ["2", "3"] * 6)
    padded = attributes(tmp_path, "c.gpkg", ["1", "01"] * 6)
    assert classify(tmp_path, [first, second], []) == [(1, "1"), (2, "2"), (3, "3")]
    assert classify(tmp_path, [first, padded], []) == [(0, "01"), (1, "1"), (2, "2")]
    assert classify(tmp_path, [first], [padded]) == [(0, "1"), (1, "2")], "a name in the validation layer makes names"


def test_numbers_and_names_are_not_mixed(tmp_path: Path) -> None:
    numbers = attributes(tmp_path, "n.gpkg", [1, 2] * 6)
    assert classify(tmp_path, [numbers, attributes(tmp_path, "t.gpkg", ["2", "3"] * 6)], [])[-1][0] == 3
    names = attributes(tmp_path, "f.gpkg", ["forest", "1"] * 6)
    with pytest.raises(ParameterError, match="class field class holds numbers in .*n.gpkg, but names in .*f.gpkg"):
        classify(tmp_path, [numbers], [names])


# ---------------------------------------------------------------- accuracy


def a_map(folder: Path, values: Any, names: dict[int, str], name: str = "map.tif") -> str:
    """A map of one row whose classes have names, as an attribute table tells them."""
    path = raster(folder / name, [values])
    dataset = gdal.Open(path, gdal.GA_Update)
    table = gdal.RasterAttributeTable()
    table.CreateColumn("Value", gdal.GFT_Integer, gdal.GFU_MinMax)
    table.CreateColumn("Class", gdal.GFT_String, gdal.GFU_Name)
    table.SetRowCount(len(names))
    for row, (value, text) in enumerate(names.items()):
        table.SetValueAsInt(row, 0, value)
        table.SetValueAsString(row, 1, text)
    dataset.GetRasterBand(1).SetDefaultRAT(table)
    dataset = None
    return path


def assess(folder: Path, image: str, log: Log | None = None, **given: Any) -> tuple[str, float]:
    keys = {key.replace("_", "."): value for key, value in given.items()}
    if "ref.vector.in" in keys:
        keys.update({"ref": "vector", "ref.vector.field": "class"})
    out = str(folder / "m.csv")
    results = registry.run("ComputeConfusionMatrix", {"in": image, "out": out, **keys}, log or Log())
    return Path(out).read_text(), results.get("overall_accuracy", 0.0)


def along(folder: Path, classes: list[Any], kind: int = ogr.OFTString, name: str = "r.gpkg") -> str:
    return layer(folder / name, [(value, point(at + 0.5, 0.5)) for at, value in enumerate(classes)], kind)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([1, 2, 3], {1: "1", 2: "2", 3: "3"}),
        ([0, 1, 2], {0: "1", 1: "2", 2: "3"}),  # of an older version
        ([1, 2, 3], {1: "water", 2: "wood", 3: "rock"}),  # by number, where no name is a number
        ([1, 2, 3], {}),
    ],
)
def test_a_perfect_map_is_perfect(tmp_path: Path, values: list[int], names: dict[int, str]) -> None:
    image = a_map(tmp_path, values, names) if names else raster(tmp_path / "map.tif", [values])
    assert assess(tmp_path, image, ref_vector_in=along(tmp_path, ["1", "2", "3"]))[1] == 1


def test_a_number_is_not_taken_for_the_value_of_another_class(tmp_path: Path) -> None:
    image, log = a_map(tmp_path, [0, 1, 2], {0: "10", 1: "20", 2: "30"}), Log()
    matrix, _ = assess(tmp_path, image, log, ref_vector_in=along(tmp_path, ["10", "20", "2"]))
    assert matrix.startswith("#Reference labels (rows):0,1,2\n#Produced labels (columns):0,1,2\n1,0,0\n0,1,0\n0,0,1")
    assert any("not classes of the map (10, 20, 30) and count as errors: 2" in w for w in log.warnings)


@pytest.mark.parametrize("kind", ["vector", "raster"])
def test_numbers_against_names_that_are_other_numbers_are_refused(tmp_path: Path, kind: str) -> None:
    image = a_map(tmp_path, [0, 1, 2], {0: "1", 1: "2", 2: "3"})
    reference = (
        {"ref_vector_in": along(tmp_path, [1, 2, 3], ogr.OFTInteger)}
        if kind == "vector"
        else {"ref_raster_in": raster(tmp_path / "r.tif", [[1, 2, 3]])}
    )
    with pytest.raises(
        ParameterError, match=r"whole numbers, but the names .*map.tif are other numbers .*0 is called '1'.*CLASS_NAMES"
    ):
        assess(tmp_path, image, **reference)
    own = json.dumps({"0": "0", "1": "1", "2": "2"})
    matrix, _ = assess(tmp_path, image, class_names=own, **reference)
    assert matrix.splitlines()[0] == "#Reference labels (rows):1,2,3"


@pytest.mark.parametrize("fine", [False, True])
def test_a_raster_is_joined_by_its_names(tmp_path: Path, fine: bool) -> None:
    """Where it lies on another grid too: GDAL's warped data sets have no names."""
    image = a_map(tmp_path, [0, 1, 2], {0: "rock", 1: "water", 2: "wood"})
    pixels = np.repeat([3, 1, 2], 2 if fine else 1)
    reference = a_map(tmp_path, pixels, {1: "Water", 2: "wood", 3: "rock"}, "reference.tif")
    if fine:
        dataset = gdal.Open(reference, gdal.GA_Update)
        dataset.SetGeoTransform((X, 5, 0, Y, 0, -10))
        dataset = None
    assert assess(tmp_path, image, ref_raster_in=reference)[1] == 1
    if fine:  # kept in the JSON beside it
        rows = [{"value": value, "name": name} for value, name in ((1, "water"), (2, "wood"), (3, "rock"))]
        (tmp_path / "reference.tif.aux.xml").unlink()
        (tmp_path / "reference.tif.json").write_text(json.dumps({"classes": rows}))
        assert assess(tmp_path, image, ref_raster_in=reference)[1] == 1


def test_names_of_the_same_numbers_may_differ(tmp_path: Path) -> None:
    """Where no name shows another numbering, numbers count."""
    image = a_map(tmp_path, [1, 2, 3], {1: "water", 2: "forest", 3: "rock"})
    reference = a_map(tmp_path, [1, 2, 3], {1: "water", 2: "Wald", 3: "Fels"}, "r.tif")
    assert assess(tmp_path, image, ref_raster_in=reference)[1] == 1
    other = a_map(tmp_path, [2, 1, 3], {2: "water", 1: "forest", 3: "Fels"}, "o.tif")
    matrix, accuracy = assess(tmp_path, image, ref_raster_in=other)
    assert "3 (Fels)" in matrix and accuracy == pytest.approx(2 / 3)


def test_classes_that_one_side_cannot_have_are_named(tmp_path: Path) -> None:
    image, log = a_map(tmp_path, [1, 2, 2], {1: "water", 2: "wood", 7: "snow"}), Log()
    assess(tmp_path, image, log, ref_vector_in=along(tmp_path, ["water", "wood", "city"]))
    assert any("not classes of the map (water, wood, snow)" in w and "errors: city" in w for w in log.warnings)
    assert any(
        w.startswith("These classes of the map have no reference data") and w.endswith(": snow.") for w in log.warnings
    )
    log = Log()
    assess(tmp_path, raster(tmp_path / "plain.tif", [[1, 2, 4]]), log, ref_vector_in=along(tmp_path, ["1", "2", "5"]))
    assert any("of the map (1, 2, 4) and count as errors: 5" in w for w in log.warnings)


def test_a_name_of_several_classes_is_refused(tmp_path: Path) -> None:
    image = a_map(tmp_path, [1, 2, 3], {1: "crop", 2: "crop", 3: "rock"})
    with pytest.raises(ParameterError, match="'crop', but several classes of the map .* have this name: 1, 2"):
        assess(tmp_path, image, ref_vector_in=along(tmp_path, ["crop", "rock", "rock"]))


def test_the_class_that_is_no_reference_is_the_field_s(tmp_path: Path) -> None:
    image = a_map(tmp_path, [0, 1, 2], {0: "1", 1: "2", 2: "3"})
    matrix, _ = assess(tmp_path, image, ref_vector_in=along(tmp_path, ["1", "2", "3"]), ref_vector_nodata=1)
    assert matrix.splitlines()[0] == "#Reference labels (rows):1,2"


def test_a_class_of_the_reference_may_have_another_name_in_the_map(tmp_path: Path) -> None:
    image = a_map(tmp_path, [0, 1], {0: "Farmland", 1: "Open water"})
    names = json.dumps({"water": "open water", "farm": "Farmland"})
    assert assess(tmp_path, image, ref_vector_in=along(tmp_path, ["farm", "water"]), class_names=names)[1] == 1
