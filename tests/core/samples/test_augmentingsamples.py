"""SampleAugmentation: further samples of a class, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import ogr
from polygon_scene import Log, Stop, box, point, utm

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled, OtbtfError
from otbtf_qgis.core.samples.newsamples import nearest

Row = tuple[Any, ...]


def samples(
    path: Path,
    rows: list[Row],
    fields: str = "class:integer kind:text n:integer a:real b:real",
    shapes: list[str | None] | None = None,
    geometry: int = ogr.wkbPoint,
    driver: str = "GPKG",
) -> str:
    """Write a layer of samples with the values of `rows` in `fields`."""
    kinds = {"integer": ogr.OFTInteger64, "real": ogr.OFTReal, "text": ogr.OFTString, "date": ogr.OFTDate}
    dataset = ogr.GetDriverByName(driver).CreateDataSource(str(path))
    layer = dataset.CreateLayer("samples", utm(), geometry)
    for field in fields.split():
        name, kind = field.split(":")
        layer.CreateField(ogr.FieldDefn(name, kinds[kind]))
    for number, row in enumerate(rows):
        feature = ogr.Feature(layer.GetLayerDefn())
        for index, value in enumerate(row):
            if value is not None:
                feature.SetField(index, value)
        wkt = shapes[number] if shapes else point(number, 1)
        if geometry != ogr.wkbNone and wkt:
            feature.SetGeometry(ogr.CreateGeometryFromWkt(wkt))
        layer.CreateFeature(feature)
    return str(path)


ROWS: list[Row] = [
    (1, "x", 7, 0.5, 10.0),
    (2, "p", 1, 1.0, -4.0),
    (2, "q", 2, 3.0, -4.0),
    (1, "y", 8, 0.25, 11.0),
    (2, "r", 9, 2.0, -4.0),
    (None, "z", 0, 0.0, 0.0),
]


def augment(
    folder: Path, source: str, log: Progress | None = None, out: str = "new.gpkg", **more: Any
) -> dict[str, Any]:
    values = {key.replace("__", "."): value for key, value in more.items()}
    return registry.run(
        "SampleAugmentation", {"in": source, "field": "class", "out": str(folder / out), **values}, log or Log()
    )


def read(path: Path) -> list[dict[str, Any]]:
    dataset = ogr.Open(str(path))
    return [feature.items() for feature in dataset.GetLayer(0)]


def wkts(path: Path) -> list[str | None]:
    dataset = ogr.Open(str(path))
    return [feature.geometry().ExportToWkt() if feature.geometry() else None for feature in dataset.GetLayer(0)]


def test_features_are_copied_and_the_rest_is_the_first_samples(tmp_path: Path) -> None:
    source = samples(tmp_path / "s.gpkg", ROWS)
    results = augment(tmp_path, source, label="2", samples=4, exclude=["n"])
    assert [tuple(row.values()) for row in read(tmp_path / "new.gpkg")] == [
        (2, "p", 1, 1.0, -4.0),
        (2, "p", 1, 3.0, -4.0),
        (2, "p", 1, 2.0, -4.0),
        (2, "p", 1, 1.0, -4.0),
    ]
    assert wkts(tmp_path / "new.gpkg") == [ogr.CreateGeometryFromWkt(point(1, 1)).ExportToWkt()] * 4
    assert (results["samples"], results["sources"], results["field"]) == (4, 3, "class")
    assert json.loads(results["legend"]) == [{"value": 2, "count": 4}]


def test_noise_has_a_share_of_the_deviation_and_whole_numbers_stay_whole(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    values = random.normal((50, -2), (8, 0.5), (40, 2))
    rows = [(2, "p", int(1000 * a), float(a), float(b)) for a, b in values]
    source = samples(tmp_path / "s.gpkg", rows)
    augment(tmp_path, source, label="2", samples=3000, strategy="jitter", strategy__jitter__stdfactor=0.5, seed=1)
    made = read(tmp_path / "new.gpkg")
    new = np.array([[row["a"], row["b"]] for row in made])
    deviations = values.std(axis=0) * np.sqrt(1 + 2**2)  # of a sample, and of twice as much noise beside it
    assert new.std(axis=0) == pytest.approx(deviations, rel=0.06)
    assert new.mean(axis=0) == pytest.approx(values.mean(axis=0), abs=deviations.max() * 0.08)
    assert np.corrcoef(new.T)[0, 1] == pytest.approx(np.corrcoef(values.T)[0, 1] / 5, abs=0.08)
    assert {type(row["n"]) for row in made} == {int}


def test_a_mixture_lies_between_a_sample_and_one_of_its_neighbors(tmp_path: Path) -> None:
    groups = np.array([[0, 0], [1, 0], [0, 2], [50, 50], [51, 50], [50, 52]], float)
    source = samples(tmp_path / "s.gpkg", [(2, "p", 0, *pair) for pair in groups.tolist()])
    log = Log()
    augment(
        tmp_path,
        source,
        log,
        label="2",
        samples=300,
        strategy="smote",
        strategy__smote__neighbors=1,
        seed=1,
        exclude=["n"],
    )
    new = {(row["a"], row["b"]) for row in read(tmp_path / "new.gpkg")}
    # the nearest of (0, 0) is (1, 0), of (0, 2) it is (0, 0); so it is in the other group
    for a, b in new:
        a, b = (a - 50, b - 50) if a > 25 else (a, b)
        assert (b == 0 and 0 <= a <= 1) or (a == 0 and 0 <= b <= 2)
    assert len(new) > 290
    assert log.warnings == []


def test_equally_near_neighbors_are_taken_in_their_order() -> None:
    values = np.array([[0.0], [0.0], [1.0], [-1.0], [0.0], [1.0]])
    assert nearest(values, np.array([0, 2]), 3, Progress()).tolist() == [[1, 4, 2], [5, 0, 1]]


@pytest.mark.parametrize("strategy", ["jitter", "smote"])
def test_a_seed_repeats_a_run(tmp_path: Path, strategy: str) -> None:
    random = np.random.default_rng(2)
    source = samples(tmp_path / "s.gpkg", [(2, "p", 0, *random.random(2).tolist()) for _ in range(9)])
    made = []
    for number, seed in enumerate(({"seed": 5}, {"seed": 5}, {"seed": 0}, {}, {})):
        augment(tmp_path, source, out=f"{number}.gpkg", label="2", samples=20, strategy=strategy, exclude=["n"], **seed)
        made.append(read(tmp_path / f"{number}.gpkg"))
    assert made[0] == made[1]
    assert all(one != other for place, one in enumerate(made[1:]) for other in made[place + 2 :])


def test_samples_that_lack_a_feature_are_left_out(tmp_path: Path) -> None:
    rows: list[Row] = [(2, "p", 1, None, 1.0), (2, "q", 2, 5.0, float("nan")), (2, "r", 3, 6.0, 7.0)]
    source, log = samples(tmp_path / "s.gpkg", rows), Log()
    assert augment(tmp_path, source, log, label="2", samples=2)["sources"] == 1
    assert [tuple(row.values()) for row in read(tmp_path / "new.gpkg")] == [(2, "r", 3, 6.0, 7.0)] * 2
    assert "2 samples of the class 2 are left out" in log.warnings[0]


@pytest.mark.parametrize("extension", ["shp", "geojson", "csv", "sqlite"])
def test_other_formats_and_shapes_keep_both(tmp_path: Path, extension: str) -> None:
    shapes = [box(0, 0, 1, 1), box(2, 2, 3, 4), box(5, 5, 6, 6)]
    source = samples(tmp_path / "s.gpkg", ROWS[:3], shapes=shapes, geometry=ogr.wkbPolygon)
    augment(tmp_path, source, out=f"new.{extension}", label="2", samples=3)
    assert [float(row["a"]) for row in read(tmp_path / f"new.{extension}")] == [1.0, 3.0, 1.0]
    if extension != "csv":
        expected = ogr.CreateGeometryFromWkt(box(2, 2, 3, 4))
        assert all(ogr.CreateGeometryFromWkt(wkt).Equals(expected) for wkt in wkts(tmp_path / f"new.{extension}"))
    else:
        assert "POLYGON" in (tmp_path / "new.csv").read_text()


def test_a_table_stays_one(tmp_path: Path) -> None:
    source = samples(tmp_path / "s.gpkg", ROWS, geometry=ogr.wkbNone)
    augment(tmp_path, source, label="2", samples=3)
    assert wkts(tmp_path / "new.gpkg") == [None] * 3


def test_classes_may_have_names(tmp_path: Path) -> None:
    source = samples(tmp_path / "s.gpkg", ROWS)
    results = augment(tmp_path, source, field="kind", label="q", samples=2, exclude=["class"])
    assert [tuple(row.values()) for row in read(tmp_path / "new.gpkg")] == [(2, "q", 2, 3.0, -4.0)] * 2
    assert json.loads(results["legend"]) == [{"value": "q", "count": 2}]


def test_what_looks_odd_is_warned_about(tmp_path: Path) -> None:
    fields, log = "class:integer kind:text originfid:integer a:real b:real", Log()
    augment(tmp_path, samples(tmp_path / "s.gpkg", ROWS, fields), log, label="2", samples=3, strategy="jitter", seed=0)
    assert "originfid, a usual name of feature numbers" in log.warnings[0]
    assert "the same value in b" in log.warnings[1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"label": "4"}, r"LABEL is '4', but no feature of .* has it in the field class. The classes are: 1, 2\."),
        ({"label": "forest"}, "LABEL is 'forest', but the field class holds numbers"),
        ({"strategy": "smote"}, "STRATEGY_SMOTE_NEIGHBORS is 5, but the class 2 has 3 samples"),
        ({"strategy": "jitter", "strategy.jitter.stdfactor": 0}, "STRATEGY_JITTER_STDFACTOR is 0"),
        ({"strategy": "jitter", "strategy.jitter.stdfactor": "nan"}, "STRATEGY_JITTER_STDFACTOR is nan"),
        ({"exclude": ["n", "A", "a"]}, "EXCLUDE is 'n A a', but repeats a field"),
        ({"exclude": ["n", "a", "b"]}, "has no field of numbers that is a feature"),
        ({"exclude": ["blue"]}, "has no field 'blue'"),
        ({"field": "sort"}, "has no field 'sort'"),
        ({"samples": 0}, "SAMPLES is 0"),
    ],
)
def test_bad_input_is_refused(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    source = samples(tmp_path / "s.gpkg", ROWS)
    given = {"in": source, "field": "class", "label": "2", "samples": 3, "out": str(tmp_path / "new.gpkg"), **values}
    with pytest.raises(OtbtfError, match=message):
        registry.run("SampleAugmentation", given)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.gpkg"]


def test_samples_without_any_feature_and_too_large_numbers_are_refused(tmp_path: Path) -> None:
    source = samples(tmp_path / "s.gpkg", [(2, "p", 2**60, None, 1.0), (3, "p", 2**60 + 1, 1.0, 1.0)])
    with pytest.raises(OtbtfError, match="No sample of the class 2 has a finite number"):
        augment(tmp_path, source, label="2")
    with pytest.raises(OtbtfError, match=f"The field n holds {2**60 + 1}, too large"):
        augment(tmp_path, source, label="3", strategy="jitter")
    augment(tmp_path, source, label="3", samples=1)
    assert read(tmp_path / "new.gpkg")[0]["n"] == 2**60 + 1


def test_a_run_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    source = samples(tmp_path / "s.gpkg", ROWS)
    (tmp_path / "new.gpkg").write_text("older")
    with pytest.raises(Cancelled):
        augment(tmp_path, source, Stop(), label="2")
    assert (tmp_path / "new.gpkg").read_text() == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.gpkg", "s.gpkg"]
