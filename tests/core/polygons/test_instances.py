"""INSTANCES of MapToPolygons: objects that touch, told apart by a watershed, whatever the tiles."""

from __future__ import annotations

import heapq
import sys
from itertools import count
from pathlib import Path
from typing import Any

import gdal_polygons
import numpy as np
import pytest
from polygon_layers import features, in_pixels
from serving import ORIGIN, UTM, Log, write
from skimage.measure import label
from skimage.segmentation import watershed

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import EngineError, OtbtfError
from otbtf_qgis.core.polygons import instances

OVERLAP = 24


def scores(seed: int = 0, shape: tuple[int, int] = (90, 110), cell: int = 14, steps: int = 0) -> np.ndarray:
    """Extent, boundary and distance of fields around jittered points, with noise, float32 of shape (rows, columns, 3)."""
    random = np.random.default_rng(seed)
    rows, columns = (np.arange(0, side + cell, cell) for side in shape)
    points = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    points = points + random.uniform(-4, 4, points.shape)
    pixels = np.stack(np.indices(shape), -1)
    away = np.sort(np.sqrt(((pixels[:, :, None] - points) ** 2).sum(-1)), axis=-1)
    distance = np.clip((away[..., 1] - away[..., 0]) / cell, 0, 1)
    boundary = np.clip(1 - 3 * distance + random.normal(0, 0.1, shape), 0, 1)
    distance = np.clip(distance + random.normal(0, 0.02, shape), 0, 1)
    extent = np.where((pixels[..., 0] // 31 + pixels[..., 1] // 37) % 4 == 3, 0.2, 0.7) + random.uniform(
        -0.1, 0.1, shape
    )
    bands = np.stack((extent, boundary, distance), -1)
    return (np.rint(bands * steps) / steps if steps else bands).astype("float32")


def flooded(relief: np.ndarray, seeds: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """A watershed after Meyer (1991): pixels by level, and of one level as they were reached, seeds first."""
    found, age = seeds.copy(), count(seeds.size)
    heap = [(relief[place], next(age), place) for place in zip(*map(np.ndarray.tolist, np.nonzero(seeds)))]
    heapq.heapify(heap)
    while heap:
        level, _, (row, column) = heapq.heappop(heap)
        for y, x in ((row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column)):
            if 0 <= y < found.shape[0] and 0 <= x < found.shape[1] and inside[y, x] and not found[y, x]:
                found[y, x] = found[row, column]
                heapq.heappush(heap, (max(level, relief[y, x]), next(age), (y, x)))
    return found


def expected(bands: np.ndarray, least: float = 0.5, known: str = "both") -> np.ndarray:
    """The objects of the whole."""
    extent, boundary, distance = np.moveaxis(bands.astype("float64"), -1, 0)
    inside = extent >= 0.5
    depth = extent - boundary if known == "boundary" else distance
    relief = {"boundary": boundary, "distance": -distance, "both": boundary - distance}[known]
    return flooded(relief, label(inside & (depth >= least), connectivity=1), inside)


def run(folder: Path, bands: np.ndarray, name: str = "out", **values: Any) -> tuple[list[dict[str, Any]], Any, Log]:
    log = Log()
    image = write(folder / f"{name}.tif", bands, ORIGIN, UTM, None)
    given = {"in": image, "out": str(folder / f"{name}.gpkg"), "instances": True, "overlap": OVERLAP, **values}
    results = registry.run("MapToPolygons", given, log)
    return features(given["out"]), results, log


def tiled(monkeypatch: pytest.MonkeyPatch, side: int) -> None:
    monkeypatch.setattr(instances.InstanceReader, "_side_of_tiles", lambda self, ram: side)


def test_equals_scikit_images_watershed_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no two values are equal, so that their order is no matter."""
    bands = scores()
    bands[..., 1:] = 0.9 * bands[..., 1:] + np.random.default_rng(1).uniform(0, 0.1, (90, 110, 2))
    extent, boundary, distance = np.moveaxis(bands.astype("float64"), -1, 0)
    inside = extent >= 0.5
    whole = watershed(boundary - distance, label(inside & (distance >= 0.5), connectivity=1), mask=inside)
    tiled(monkeypatch, 31)
    found, _, _ = run(tmp_path, bands)
    expected_ones = gdal_polygons.polygonized(np.where(whole == 0, -1, whole).astype("int32"))
    gdal_polygons.assert_same(in_pixels(found), [(1, shape) for _, shape in expected_ones])


@pytest.mark.parametrize("steps", [0, 20])
@pytest.mark.parametrize("side", [1000, 40, 23])
def test_tiles_have_no_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int, steps: int) -> None:
    """Also where many values are equal."""
    bands = scores(steps=steps)
    tiled(monkeypatch, side)
    found, results, log = run(tmp_path, bands, seeds=0.4)
    whole = expected(bands, 0.4)
    assert results["polygons"] == len(np.unique(whole)) - 1 > 40
    expected_ones = gdal_polygons.polygonized(np.where(whole == 0, -1, whole).astype("int32"))
    gdal_polygons.assert_same(in_pixels(found), [(1, shape) for _, shape in expected_ones])
    assert not log.warnings


def test_with_probabilities_areas_and_classes(tmp_path: Path) -> None:
    bands = scores()
    found, results, _ = run(tmp_path, bands, outtable=str(tmp_path / "table.csv"))
    whole = expected(bands)
    means = [bands[..., 0][whole == number].astype("float64").mean() for number in range(1, whole.max() + 1)]
    assert sorted(feature["mean_prob"] for feature in found) == pytest.approx(sorted(means))
    (row,) = features(results["outtable"])
    assert (row["class"], row["polygons"], row["pixels"]) == (1, len(found), int((whole > 0).sum()))


@pytest.mark.parametrize(("given", "key"), [("boundary", "boundaries"), ("distance", "distances")])
def test_rasters_of_one_band(tmp_path: Path, given: str, key: str) -> None:
    bands = scores()
    other = write(tmp_path / "other.tif", bands[..., 1 if given == "boundary" else 2][..., None], ORIGIN, UTM, None)
    found, _, _ = run(tmp_path, bands[..., :1], **{key: other})
    whole = expected(bands, known=given)
    assert len(found) == whole.max() > 20
    assert sorted(f["shape"].Area() for f in found) == pytest.approx(sorted(100.0 * np.bincount(whole.ravel())[1:]))


def test_small_ones_join_their_largest_neighbour(tmp_path: Path) -> None:
    bands = scores()
    codes = expected(bands, 0.4)
    found, _, _ = run(tmp_path, bands, seeds=0.4, minarea=9950)
    merged = gdal_polygons.sieved(np.where(codes == 0, -1, codes).astype("int32"), 100)
    assert len(found) == len(gdal_polygons.polygonized(merged)) < codes.max()


def test_large_objects_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stay one polygon across all tiles."""
    bands = np.full((30, 60, 3), (0.9, 0.0, 0.8), "float32")
    tiled(monkeypatch, 7)
    found, _, log = run(tmp_path, bands, overlap=5)
    assert len(found) == 1 and found[0]["shape"].Area() == 180_000
    assert any("1 object is larger" in line and "OVERLAP to 60" in line for line in log.warnings)


def test_pixels_without_a_seed_are_told(tmp_path: Path) -> None:
    bands = np.full((10, 12, 3), (0.9, 0.0, 0.8), "float32")
    bands[:, 6], bands[:, 7:, 2] = (0.1, 1.0, 0.0), 0.3
    bands[0, 0] = np.nan
    found, _, log = run(tmp_path, bands)
    assert [feature["shape"].Area() for feature in found] == [5900.0]
    assert any(line.startswith("50 pixels of the extent are connected with no seed") for line in log.infos)


@pytest.mark.parametrize(
    ("bands", "values", "message"),
    [
        (1, {}, "extent of objects only: give BOUNDARIES or DISTANCES"),
        (4, {}, "which has 4 bands, but INSTANCES takes at most three"),
        (3, {"distances": "self"}, "DISTANCES is given, but IN is .* which has 3 bands"),
        (1, {"distances": "other"}, "DISTANCES is .* which is not on the grid of IN"),
        (1, {"distances": "self", "instances": False}, "DISTANCES has no effect without INSTANCES"),
        (
            3,
            {"overlap": 4000, "ram": 16, "size": 900},
            "OVERLAP is 4000 pixels, for which tiles take 116 MB, but RAM is 16",
        ),
        (3, {"threshold": 128}, "THRESHOLD is 128, but must be between 0 and 1 with INSTANCES"),
        (3, {"threshold": float("nan")}, "THRESHOLD is nan, but must be between 0 and 1"),
        (3, {"factor": -4000}, "has the value -1000 .* or give it in NODATA if it is no data"),
        (3, {"factor": 255}, r"has the value 63.75 in column 0, row 0, but INSTANCES needs .* between 0 and 1"),
    ],
)
def test_what_is_refused(tmp_path: Path, bands: int, values: dict[str, Any], message: str) -> None:
    given = dict(values)
    size = given.pop("size", 6)
    pixels = np.full((size, size, bands), 0.25 * given.pop("factor", 1), "float32")
    places = {"self": ORIGIN, "other": (0, 5, 0, 0, 0, -5)}
    given = {
        key: write(tmp_path / "other.tif", pixels[..., :1], places[value], UTM, None) if value in places else value
        for key, value in given.items()
    }
    with pytest.raises(OtbtfError, match=message):
        run(tmp_path, pixels, **given)
    assert not (tmp_path / "out.gpkg").exists()


def test_without_scikit_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(EngineError, match="run otbtf:installengine with EXTRAS=objects"):
        run(tmp_path, scores(shape=(20, 20)))
