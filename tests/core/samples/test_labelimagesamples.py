"""LabelImageSampleSelection: which pixels become samples."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from osgeo import gdal
from points import read_points
from serving import ORIGIN, UTM, hidden, write

from otbtf_qgis.core import registry
from otbtf_qgis.core.classes.legend import ClassEntry, raster_legend
from otbtf_qgis.core.errors import OtbtfError
from otbtf_qgis.core.samples import labelraster
from otbtf_qgis.core.samples.labelselection import ClassPicker, Quota, quotas
from otbtf_qgis.core.vectors.vectorlayer import VectorLayer

SOUTH_UP = (300000.0, 10.0, 0.0, 3999500.0, 0.0, 10.0)


def select(
    folder: Path, labels: np.ndarray, transform: Any = ORIGIN, nodata: float | None = None, **values: Any
) -> Any:
    """Select from labels of shape (height, width); return the points (x, y, class) and the results."""
    image = write(folder / "labels.tif", labels[..., None], transform, UTM, nodata)
    keys = {
        name.replace("strategy_", "strategy.").replace("_nb", ".nb").replace("_v", ".v"): v
        for name, v in values.items()
    }
    results = registry.run("LabelImageSampleSelection", {"inref": image, "outvec": str(folder / "o.gpkg"), **keys})
    return read_points(folder / "o.gpkg", "class"), results


def places(points: np.ndarray) -> np.ndarray:
    """Return row and column of points in the pixels of ORIGIN."""
    return np.stack(((4000000 - points[:, 1]) // 10, (points[:, 0] - 300000) // 10), axis=1).astype(int)


def checkered(height: int = 60, width: int = 50) -> np.ndarray:
    return (np.add.outer(np.arange(height), np.arange(width)) * 7 % 11 % 4).astype("uint8")


def expected(labels: np.ndarray, target: dict[int, int], step: dict[int, int]) -> list[tuple[int, int, int]]:
    """Pixel by pixel, as OTBTF counts: every step-th of a class until there are enough."""
    seen: Counter[int] = Counter()
    taken: Counter[int] = Counter()
    found = []
    for (row, column), label in np.ndenumerate(labels):
        seen[label] += 1
        if seen[label] % step[label] == 0 and taken[label] < target[label]:
            taken[label] += 1
            found.append((row, column, label))
    return found


@pytest.mark.parametrize("pixels", [1, 137, 4_000_000])
def test_every_so_many_pixels_of_a_class_in_scan_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: int
) -> None:
    monkeypatch.setattr(labelraster, "_PIXELS", pixels)
    labels = checkered()
    counts = Counter(labels.reshape(-1).tolist())
    points, results = select(tmp_path, labels, strategy_constant_nb=100)
    want = expected(labels, dict.fromkeys(counts, 100), {c: n // 100 for c, n in counts.items()})
    got = np.column_stack((places(points), points[:, 2])).tolist()
    assert got == [list(item) for item in want]
    assert (results["samples"], results["classes"]) == (400, 4)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("strategy", ["constant", "total", "smallest", "all"])
def test_any_type_and_any_labels_are_written_as_they_are(tmp_path: Path, dtype: str, strategy: str) -> None:
    values = [3, 100, 250] if dtype == "uint8" else [7, 30000, 12] if dtype == "uint16" else [-5, 30000, 12]
    labels = np.array(values, dtype)[checkered() % 3]
    points, _ = select(tmp_path, labels, strategy=strategy, strategy_total_v=300, nodata=None)
    row, column = places(points).T
    assert (labels[row, column] == points[:, 2]).all()
    assert set(points[:, 2]) == set(values)


def test_no_data_and_border_are_left_out(tmp_path: Path) -> None:
    labels = checkered()
    points, _ = select(tmp_path, labels, nodata=2, strategy="all", pad=5)
    inner = labels[5:-5, 5:-5]
    assert len(points) == (inner != 2).sum()
    row, column = places(points).T
    assert row.min() == column.min() == 5 and row.max() == 54 and column.max() == 44
    points, _ = select(tmp_path, labels, nodata=2, strategy="all", nodata_from_layer="off")
    assert len(points) == labels.size


def test_a_south_up_raster_gives_the_same_points(tmp_path: Path) -> None:
    labels = checkered(50)
    north, _ = select(tmp_path, labels, strategy="smallest")
    south, _ = select(tmp_path, labels[::-1], SOUTH_UP, strategy="smallest")
    assert north.tolist() == south.tolist()


def test_a_seed_draws_as_many_at_random_and_the_same_again(tmp_path: Path) -> None:
    labels = checkered()
    periodic, _ = select(tmp_path, labels, strategy_constant_nb=50)
    one, _ = select(tmp_path, labels, strategy_constant_nb=50, seed=1)
    again, _ = select(tmp_path, labels, strategy_constant_nb=50, seed=1)
    other, _ = select(tmp_path, labels, strategy_constant_nb=50, seed=2)
    assert one.tolist() == again.tolist() != other.tolist()
    assert Counter(one[:, 2]) == Counter(periodic[:, 2]) == Counter(other[:, 2])
    assert len(np.unique(one[:, :2], axis=0)) == 200


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=12),
    st.integers(1, 60),
    st.one_of(st.none(), st.integers(0, 2**32)),
)
def test_a_picker_takes_its_target_however_the_pixels_come(parts: list[int], target: int, seed: int | None) -> None:
    count = sum(parts)
    if target > count:
        return
    picker = ClassPicker(Quota(count, target, count // target), None if seed is None else np.random.default_rng(seed))
    before, taken = 0, []
    for here in parts:
        taken += (before + picker.pick(here)).tolist()
        before += here
    assert len(taken) == target
    assert taken == sorted(set(taken))
    if seed is None:
        step = count // target
        assert taken == [step * number - 1 for number in range(1, target + 1)]


def test_random_picking_is_even_over_the_parts() -> None:
    hits = np.zeros(30)
    for seed in range(2000):
        picker = ClassPicker(Quota(30, 6, 5), np.random.default_rng(seed))
        for start, here in ((0, 3), (3, 20), (23, 7)):
            hits[start + picker.pick(here)] += 1
    assert (abs(hits - 400) < 90).all()  # five standard deviations


@given(st.dictionaries(st.integers(-5, 5), st.integers(1, 500), min_size=1), st.integers(1, 600))
def test_quotas_never_ask_for_more_than_there_is(counts: dict[int, int], number: int) -> None:
    for strategy in ("constant", "smallest", "all"):
        for label, quota in quotas(counts, strategy, number, number).items():
            assert 1 <= quota.target * quota.step <= counts[label]


def test_at_most_so_many_of_each_class(tmp_path: Path) -> None:
    labels = np.zeros((20, 30), "uint8")
    labels[3, 4:11] = 1
    points, results = select(tmp_path, labels, strategy="atmost", strategy_constant_nb=50, seed=0)
    assert Counter(points[:, 2].tolist()) == {0: 50, 1: 7}
    assert results["samples"] == 57


def test_names_and_colours_of_the_classes_travel_along(tmp_path: Path) -> None:
    image = write(tmp_path / "labels.tif", checkered()[..., None])
    dataset = gdal.Open(image, gdal.GA_Update)
    colors = gdal.ColorTable()
    colors.SetColorEntry(1, (0, 128, 255, 255))
    dataset.GetRasterBand(1).SetColorTable(colors)
    dataset = gdal.Open(image)
    dataset.GetRasterBand(1).SetCategoryNames(["water", "wood", "", "field"])
    del dataset
    results = registry.run("LabelImageSampleSelection", {"inref": image, "outvec": str(tmp_path / "o.gpkg")})
    rows = json.loads(results["legend"])
    assert rows[1] == {"value": 1, "name": "wood", "color": "#0080ff", "count": rows[0]["count"]}
    assert json.loads((tmp_path / "o.gpkg.json").read_text())["classes"][3]["name"] == "field"


def test_a_raster_attribute_table_names_classes(tmp_path: Path) -> None:
    image = write(tmp_path / "labels.tif", checkered()[..., None])
    table = gdal.RasterAttributeTable()
    for name, kind, usage in (
        ("value", gdal.GFT_Integer, gdal.GFU_MinMax),
        ("class", gdal.GFT_String, gdal.GFU_Name),
        ("r", gdal.GFT_Integer, gdal.GFU_Red),
        ("g", gdal.GFT_Integer, gdal.GFU_Green),
        ("b", gdal.GFT_Integer, gdal.GFU_Blue),
    ):
        table.CreateColumn(name, kind, usage)
    table.SetRowCount(1)
    for column, value in enumerate((2, "wetland", 1, 2, 255)):
        (table.SetValueAsString if isinstance(value, str) else table.SetValueAsInt)(0, column, value)
    dataset = gdal.Open(image)
    dataset.GetRasterBand(1).SetDefaultRAT(table)
    assert raster_legend(dataset) == {2: ClassEntry("wetland", "#0102ff")}


@pytest.mark.parametrize(
    ("labels", "values", "message"),
    [
        (np.full((5, 5), 0.5, "float32"), {}, "the value 0.5 in column 0, row 0, but labels are whole numbers"),
        (np.full((5, 5), 7, "uint8"), {"nodata": 7}, "No pixel .* has a label: all are no-data"),
        (checkered(), {"pad": 30}, "PAD is 30, which leaves no pixel"),
        (checkered(), {"strategy": "total", "strategy_total_v": 1}, "so class 0 with .* gets no sample"),
        (checkered(), {"strategy_constant_nb": 0}, "at least 1"),
        (checkered(), {"strategy": "most"}, "STRATEGY"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(
    tmp_path: Path, labels: np.ndarray, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(OtbtfError, match=message):
        select(tmp_path, labels, **values)
    assert [item.name for item in tmp_path.iterdir()] == ["labels.tif"]


def test_several_bands_are_told(tmp_path: Path) -> None:
    image = write(tmp_path / "labels.tif", np.zeros((5, 5, 3), "uint8"))
    with pytest.raises(OtbtfError, match="has 3 bands, but labels are one band"):
        registry.run("LabelImageSampleSelection", {"inref": image, "outvec": str(tmp_path / "o.gpkg")})
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("area", ["A", "B"])
def test_500_of_each_class_in_tokyo(tmp_path: Path, shared: Path, area: str) -> None:
    image = str(shared / "data" / "tokyo" / f"terrain_truth_{area}.tif")
    out = str(tmp_path / "o.gpkg")
    results = registry.run("LabelImageSampleSelection", {"inref": image, "outvec": out, "strategy.constant.nb": 500})
    assert results["samples"] == 3000
    points = read_points(out, "class")
    assert Counter(points[:, 2]) == dict.fromkeys(range(6), 500)
    dataset = gdal.Open(image)
    x0, size, _, y0, _, _ = dataset.GetGeoTransform()
    for x, y, label in points[::100]:
        assert dataset.ReadAsArray(int((x - x0) // size), int((y0 - y) // size), 1, 1)[0, 0] == label
    assert VectorLayer(out).reference.describe() == "EPSG:32654"
    check_patches_of_a_scene_on_the_same_grid(tmp_path, dataset, out)


def check_patches_of_a_scene_on_the_same_grid(folder: Path, labels: gdal.Dataset, points: str) -> None:
    """Cut 16 x 16 patches of a synthetic scene: four bands that are the labels times 1, 2, 3, 4."""
    scene = gdal.GetDriverByName("VRT").Create(str(folder / "scene.vrt"), labels.RasterXSize, labels.RasterYSize, 0)
    scene.SetGeoTransform(labels.GetGeoTransform())
    scene.SetProjection(labels.GetProjection())
    for factor in (1, 2, 3, 4):
        scene.AddBand(gdal.GDT_UInt16)
        source = (
            f"<ComplexSource><SourceFilename>{labels.GetDescription()}</SourceFilename><SourceBand>1</SourceBand>"
            f"<ScaleRatio>{factor}</ScaleRatio></ComplexSource>"
        )
        scene.GetRasterBand(factor).SetMetadataItem("source_0", source, "new_vrt_sources")
    scene = None
    values = {
        "source1.il": str(folder / "scene.vrt"),
        "source1.patchsizex": 16,
        "source1.patchsizey": 16,
        "source1.out": str(folder / "patches.tif"),
        "vec": points,
        "field": "class",
        "outlabels": str(folder / "labels.tif"),
    }
    results = registry.run("PatchesExtraction", values)
    count = results["patches"]
    assert 2900 < count <= 3000  # those at the border of the image do not fit
    patches = gdal.Open(str(folder / "patches.tif")).ReadAsArray().reshape(4, count, 16, 16)
    cut = gdal.Open(str(folder / "labels.tif")).ReadAsArray().reshape(count)
    for factor in (1, 2, 3, 4):
        np.testing.assert_array_equal(patches[factor - 1, :, 8, 8], factor * cut)
