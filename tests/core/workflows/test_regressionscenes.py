"""RegressionMap over several scenes: values of all are learned, those of a scene held back judge the map."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, ogr
from polygon_scene import Log, X, Y, raster, utm

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import ParameterError

ROWS, COLUMNS = 40, 50
NORTH = Y + 10 * ROWS


def image(path: Path, seed: int) -> tuple[str, np.ndarray]:
    """An image of two bands, and the quantity that follows from it."""
    row, column = np.mgrid[:ROWS, :COLUMNS] + 13 * seed
    bands = np.rint(np.stack([100 + 40 * np.sin(row / 9), 80 + 30 * np.sin(column / 11)])).astype("int16")
    return raster(path, bands), (3000 + 2.5 * bands[0] + bands[1]).astype("float32")


def written(path: Path, values: np.ndarray, share: float) -> str:
    known = np.where(np.random.default_rng(1).random((ROWS, COLUMNS)) < share, values, np.float32(-1))
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), COLUMNS, ROWS, 1, gdal.GDT_Float32)
    dataset.SetProjection(utm().ExportToWkt())
    dataset.SetGeoTransform((X, 10, 0, Y, 0, -10))
    dataset.GetRasterBand(1).WriteArray(known)
    dataset.GetRasterBand(1).SetNoDataValue(-1)
    return str(path)


def moved(path: str) -> str:
    """Move a raster to where no other one is."""
    gdal.Open(path, gdal.GA_Update).SetGeoTransform((X, 10, 0, NORTH, 0, -10))
    return path


class Told(Log):
    """Keeps lines of information, too."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(str(message))


def run(folder: Path, scene: Path, *rows: dict[str, str], progress: Log | None = None, **values: Any) -> dict[str, Any]:
    with open(scene / "scenes.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    given = {
        "in": [str(scene / "first.tif")],
        "values.raster": str(scene / "first_values.tif"),
        "scenes": str(scene / "scenes.csv"),
        "samples": 300,
        "epochs": 4,
        "batchsize": 32,
        "out": str(folder / "map.tif"),
        **{key.replace("__", "."): value for key, value in values.items()},
    }
    return registry.run("RegressionMap", given, progress or Log())


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    for number, (name, share) in enumerate((("first", 0.5), ("second", 0.05), ("third", 0.5))):
        _, values = image(folder / f"{name}.tif", number)
        written(folder / f"{name}_values.tif", values, share)
    moved(str(folder / "third.tif"))
    moved(str(folder / "third_values.tif"))
    return folder


def test_errors_are_those_of_the_scene_held_back(scene: Path, tmp_path: Path) -> None:
    second = {"in": "second.tif", "values_raster": "second_values.tif"}
    third = {"in": "third.tif", "values_raster": "third_values.tif", "held_back": "yes"}
    steps, report, log = tmp_path / "steps", tmp_path / "report.html", Told()
    asked: dict[str, Any] = {"keep": str(steps), "out__report": str(report), "baseline": True}
    results = run(tmp_path, scene, second, third, progress=log, **asked)
    assert not [line for line in log.lines if "Blocks of" in line], "places of the other scenes are not held back"
    known = gdal.Open(str(scene / "second_values.tif")).ReadAsArray() != -1
    counts = {name: len(list(points(steps / name / "values_training.gpkg"))) for name in ("first", "second")}
    assert counts == {"first": 300 - known.sum(), "second": known.sum()}, "what a scene lacks comes from the other"
    assert (results["samples_training"], results["samples_validation"]) == (300, 300)
    made = gdal.Open(str(tmp_path / "map_third.tif")).ReadAsArray().astype("float64")
    held = list(points(steps / "third" / "values_validation.gpkg"))
    predicted = np.array([made[int((NORTH - y) // 10), int((x - X) // 10)] for x, y, _ in held])
    errors = predicted - [value for _, _, value in held]
    assert results["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-6)
    assert results["bias"] == pytest.approx(errors.mean(), rel=1e-6)
    assert [made["scene"] for made in results["maps"]] == ["first", "second", "third"]
    page = report.read_text(encoding="utf-8")
    assert "Validation is on the scenes held back (third)" in page and "Errors by scene (validation)" in page


def points(path: Path) -> Any:
    dataset = ogr.Open(str(path))
    for feature in dataset.GetLayer(0):
        yield feature.GetGeometryRef().GetX(), feature.GetGeometryRef().GetY(), feature["value"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"in": "second.tif", "values_vector": "a.gpkg", "values_raster": "b.tif"}, "keep one of them"),
        ({"in": "second.tif", "labels_raster": "second_values.tif"}, "column labels_raster is nothing that a scene"),
        ({"values_raster": "second_values.tif"}, "IN is missing"),
    ],
)
def test_bad_input(scene: Path, row: dict[str, str], told: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=told):
        run(tmp_path, scene, row)
    assert not list(tmp_path.iterdir())
