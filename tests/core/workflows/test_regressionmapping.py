"""RegressionMap: images and values in, model, map and errors out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, ogr, osr
from polygon_scene import Log, Stop, X, Y, box, layer, raster, utm

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import Cancelled, ParameterError, RasterError, VectorError

ROWS, COLUMNS = 60, 80
EMPTY = 5  # columns of the image without data


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """An image of two bands, shape (2, ROWS, COLUMNS): smooth in space, as landscapes are."""
    row, column = np.mgrid[:ROWS, :COLUMNS]
    noise = np.random.default_rng(0).normal(0, 3, (2, ROWS, COLUMNS))
    bands = np.stack([100 + 40 * np.sin(row / 9) + 20 * np.cos(column / 7), 80 + 30 * np.sin(column / 11)]) + noise
    bands[:, :, :EMPTY] = 0
    return np.rint(bands).astype("int16")


@pytest.fixture(scope="module")
def quantity(pixels: np.ndarray) -> np.ndarray:
    """What follows from it, in a unit of its own: from some 3000 to 3500, with fractions."""
    return (3000 + 2.5 * pixels[0] + 0.01 * pixels[1].astype("float64") ** 2).astype("float32")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray, quantity: np.ndarray) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("scene")
    known = np.where(np.random.default_rng(1).random((ROWS, COLUMNS)) < 0.3, quantity, np.float32(-1))
    return {
        "image": raster(folder / "image.tif", pixels, nodata=0),
        "raster": written(folder / "values.tif", known),
        "one": written(folder / "one.tif", np.full((ROWS, COLUMNS), 7, "float32")),
        "few": written(
            folder / "few.tif",
            np.where(np.indices((ROWS, COLUMNS))[0] * COLUMNS + np.arange(COLUMNS) < 20, known, np.float32(-1)),
        ),
        "points": points(folder / "points.gpkg", quantity),
        "polygons": layer(folder / "polygons.gpkg", [("1", box(1, 1, 9, 9)), ("2", box(20, 20, 30, 30))]),
    }


def written(path: Path, values: np.ndarray) -> str:
    """Write values with the no-data value -1."""
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), COLUMNS, ROWS, 1, gdal.GDT_Float32)
    dataset.SetProjection(utm().ExportToWkt())
    dataset.SetGeoTransform((X, 10, 0, Y, 0, -10))
    dataset.GetRasterBand(1).WriteArray(values)
    dataset.GetRasterBand(1).SetNoDataValue(-1)
    return str(path)


def points(path: Path, quantity: np.ndarray) -> str:
    """Write points in degrees: 400 on the image, one of them without a number, and one outside."""
    degrees = osr.SpatialReference()
    degrees.ImportFromEPSG(4326)
    degrees.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    to_degrees = osr.CoordinateTransformation(utm(), degrees)
    dataset = gdal.GetDriverByName("GPKG").Create(str(path), 0, 0, 0, gdal.GDT_Unknown)
    out = dataset.CreateLayer("points", degrees, ogr.wkbPoint)
    out.CreateField(ogr.FieldDefn("height", ogr.OFTReal))
    out.CreateField(ogr.FieldDefn("name", ogr.OFTString))
    random = np.random.default_rng(2)
    rows, columns = random.integers(0, ROWS, 401), random.integers(EMPTY, COLUMNS, 401)
    columns[400] = COLUMNS + 50
    for number, (row, column) in enumerate(zip(rows.tolist(), columns.tolist())):
        x, y, _ = to_degrees.TransformPoint(X + 10 * column + 3, Y - 10 * row - 4)
        feature = ogr.Feature(out.GetLayerDefn())
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({x!r} {y!r})"))
        if number:
            feature.SetField("height", float(quantity[row, min(column, COLUMNS - 1)]))
        out.CreateFeature(feature)
    del feature, out, dataset
    return str(path)


def points_of(path: Path) -> list[Any]:
    dataset = ogr.Open(str(path))
    return [feature.geometry().Clone() for feature in dataset.GetLayer(0)]


def run(scene: dict[str, str], folder: Path, progress: Any = None, **values: Any) -> dict[str, Any]:
    given = {"in": [scene["image"]], "epochs": 12, "samples": 600, "batchsize": 16, "out": str(folder / "map.tif")}
    given.update({key.replace("__", "."): value for key, value in values.items()})
    return registry.run("RegressionMap", given, progress or Log())


@pytest.fixture(scope="module")
def mapped(scene: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("mapped")
    more = {"model__saveto": str(folder / "model"), "out__report": str(folder / "report.html"), "baseline": True}
    kept = {"keep": str(folder / "kept"), "validation__blocksize": 10}
    return run(scene, folder, values__raster=scene["raster"], **more, **kept)


def test_the_map_is_the_quantity(mapped: dict[str, Any], quantity: np.ndarray) -> None:
    dataset = gdal.Open(mapped["out"])
    band = dataset.GetRasterBand(1)
    found = band.ReadAsArray()
    assert band.DataType == gdal.GDT_Float32
    assert (found[:, :EMPTY] == band.GetNoDataValue()).all() and (found[:, EMPTY:] > 2900).all()
    errors = (found - quantity)[:, EMPTY:]
    assert np.sqrt((errors**2).mean()) < 0.2 * quantity[:, EMPTY:].std()


def test_the_errors_are_those_of_the_map_where_values_were_held_back(
    mapped: dict[str, Any], quantity: np.ndarray
) -> None:
    kept = Path(mapped["out"]).parent / "kept"
    places = [
        (int((point.GetX() - X) // 10), int((Y - point.GetY()) // 10))
        for point in points_of(kept / "values_validation.gpkg")
    ]
    column, row = np.array(places).T
    known = column >= EMPTY
    column, row = column[known], row[known]
    error = gdal.Open(mapped["out"]).ReadAsArray()[row, column].astype("float64") - quantity[row, column]
    reference = quantity[row, column].astype("float64")
    assert mapped["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert mapped["mae"] == pytest.approx(np.abs(error).mean())
    assert mapped["bias"] == pytest.approx(error.mean())
    assert mapped["r2"] == pytest.approx(1 - (error**2).sum() / ((reference - reference.mean()) ** 2).sum())
    blocks = set(zip((column // 10).tolist(), (row // 10).tolist()))
    others = {
        (int((point.GetX() - X) // 100), int((Y - point.GetY()) // 100))
        for point in points_of(kept / "values_training.gpkg")
    }
    assert blocks.isdisjoint(others)


def test_the_report_compares_with_a_forest(mapped: dict[str, Any]) -> None:
    page = Path(mapped["out.report"]).read_text(encoding="utf-8")
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", page)
    row = cells.index("Network")
    assert cells[row : row + 3] == ["Network", "validation", f"{mapped['rmse']:.3f}"]
    row = cells.index("Random forest")
    assert cells[row + 5] == f"{mapped['baseline_r2']:.3f}" and mapped["baseline_r2"] > 0.8
    assert page.count("data:image/png;base64") == 2


def test_the_model_serves_as_the_map_was_made(mapped: dict[str, Any], scene: dict[str, str], tmp_path: Path) -> None:
    out = str(tmp_path / "again.tif")
    values = {"source1.il": [scene["image"]], "model.dir": mapped["model.saveto"], "out": out}
    registry.run("TensorflowModelServe", values, Log())
    np.testing.assert_allclose(gdal.Open(out).ReadAsArray(), gdal.Open(mapped["out"]).ReadAsArray(), rtol=1e-6)


def test_points_in_another_system(scene: dict[str, str], tmp_path: Path) -> None:
    log = Log()
    results = run(scene, tmp_path, log, values__vector=scene["points"], values__field="height")
    assert results["samples_training"] + results["samples_validation"] == 399
    assert results["r2"] > 0.8
    assert any("1 point has no number in the field height" in line for line in log.warnings)


def test_as_many_pixels_as_asked_for(scene: dict[str, str], tmp_path: Path) -> None:
    """The map is made where the mask has data, here the known values."""
    few = {"samples": 100, "epochs": 1, "validation__share": 0}
    results = run(scene, tmp_path, values__raster=scene["raster"], mask=scene["raster"], augment__serve="flips", **few)
    assert 90 <= results["samples_training"] <= 100 and results["samples_validation"] == 0
    dataset = gdal.Open(results["out"])
    band = dataset.GetRasterBand(1)
    inside = gdal.Open(scene["raster"]).ReadAsArray() != -1
    inside[:, :EMPTY] = False
    assert ((band.ReadAsArray() != band.GetNoDataValue()) == inside).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "VALUES_RASTER and VALUES_VECTOR are missing"),
        ({"values__raster": "raster", "values__vector": "points", "values__field": "height"}, "both given"),
        ({"values__vector": "points"}, "VALUES_FIELD is missing"),
        ({"values__raster": "raster", "values__field": "height"}, "applies only to VALUES_VECTOR"),
        ({"values__vector": "points", "values__field": "name"}, "VALUES_FIELD is name, which holds texts"),
        ({"values__vector": "points", "values__field": "heigth"}, "Did you mean height?"),
        ({"values__vector": "polygons", "values__field": "class"}, "is a POLYGON, but points are needed"),
        ({"values__raster": "one"}, "VALUES_RASTER has one value only on the image, 7"),
        (
            {"values__raster": "few"},
            "VALUES_RASTER is .*few.tif, which has only [0-9]+ known values on the image, but at least 8",
        ),
        ({"values__raster": "image"}, "has 2 bands, but"),
        ({"values__raster": "raster", "out": "image"}, "OUT is .*image.tif, which is also an input"),
        ({"values__raster": "raster", "out__keras": "/tmp/net.h5"}, "must end with .keras"),
    ],
)
def test_bad_input_is_told_before_work_starts(
    scene: dict[str, str], tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    given = {key: scene.get(value, value) if isinstance(value, str) else value for key, value in values.items()}
    with pytest.raises((ParameterError, RasterError, VectorError), match=message):
        run(scene, tmp_path, **given)
    assert list(tmp_path.iterdir()) == []


def test_values_elsewhere_are_told(scene: dict[str, str], tmp_path: Path) -> None:
    away = raster(tmp_path / "away.tif", np.arange(100).reshape(10, 10), x=X + 100_000)
    with pytest.raises(ParameterError, match="VALUES_RASTER is .*they do not overlap"):
        run(scene, tmp_path, values__raster=away)


def test_cancelled_leaves_nothing(scene: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        run(scene, tmp_path, Stop(), values__raster=scene["raster"])
    assert list(tmp_path.iterdir()) == []
