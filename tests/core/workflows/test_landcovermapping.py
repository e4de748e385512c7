"""LandCoverMap: images and labels in, model, map and report out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from landcover_scene import COLUMNS, LABELS, ROWS, SIDE, parcels, sparse
from osgeo import gdal, ogr
from polygon_scene import Log, Stop, X, box, layer, raster

from otbtf_qgis.core import registry
from otbtf_qgis.core.classes.legend import raster_legend
from otbtf_qgis.core.errors import Cancelled, ModelError, ParameterError, RasterError, VectorError
from otbtf_qgis.core.models.sidecar import read_sidecar
from otbtf_qgis.core.vectors.vectorlayer import TEXT, Field
from otbtf_qgis.core.workflows.landcoverlabels import VectorLabels, classes_of, smallest_type

LEGEND = json.dumps({"3": {"name": "water", "color": "#0000ff"}, "9": {"name": "wood"}})


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Two images of the same parcels, and their labels as rasters and polygons."""
    folder = tmp_path_factory.mktemp("scene")
    numbers = parcels()
    pixels = np.random.default_rng(0).integers(20, 120, (3, ROWS, COLUMNS))
    np.put_along_axis(pixels, numbers[None], 160, axis=0)
    pixels[:, :, :3] = 0  # without data
    coarse = raster(folder / "coarse.tif", np.array(LABELS)[numbers][::2, ::2])
    dataset = gdal.Open(coarse, gdal.GA_Update)
    dataset.SetGeoTransform((X, 20, 0, dataset.GetGeoTransform()[3], 0, -20))
    dataset = None
    oblong = raster(folder / "oblong.tif", pixels)
    dataset = gdal.Open(oblong, gdal.GA_Update)
    dataset.SetGeoTransform((X, 10, 0, dataset.GetGeoTransform()[3], 0, -9))
    dataset = None
    features = [
        (("crops", "water", "wood")[numbers[y, x]], box(x + 2, y + 2, x + SIDE - 2, y + SIDE - 2))
        for y in range(0, ROWS, SIDE)
        for x in range(0, COLUMNS, SIDE)
    ]
    detector = str(folder / "detector.keras")
    made = {"template": "detector", "bands": "3", "classes": 2, "width": 4, "depth": 1, "out.keras": detector}
    registry.run("CreateModel", made, Log())
    return {
        "detector": detector,
        "folder": str(folder),
        "two": raster(folder / "two.tif", pixels[:2], nodata=0),
        "one": raster(folder / "one.tif", pixels[2:], nodata=0),
        "sparse": raster(folder / "sparse.tif", sparse(numbers), nodata=-1),
        "tiles": coarse,
        "oblong": oblong,
        "polygons": layer(folder / "polygons.gpkg", features, ogr.OFTString, epsg=4326),
    }


def run(scene: dict[str, str], folder: Path, progress: Any = None, **values: Any) -> dict[str, Any]:
    """Make a map quickly; `labels__raster` stands for `labels.raster`."""
    given = {"in": [scene["two"], scene["one"]], "epochs": 2, "samples": 60, "out": str(folder / "map.tif")}
    given.update({key.replace("__", "."): value for key, value in values.items()})
    return registry.run("LandCoverMap", given, progress or Log())


def test_from_a_raster_with_few_labels(scene: dict[str, str], tmp_path: Path) -> None:
    log = Log()
    results = run(
        scene,
        tmp_path,
        log,
        labels__raster=scene["sparse"],
        legend=LEGEND,
        calibrate=True,
        model__saveto=str(tmp_path / "model"),
        out__report=str(tmp_path / "report.html"),
        out__margin=str(tmp_path / "margin.tif"),
        out__probabilities=str(tmp_path / "each.tif"),
        out__confidence=str(tmp_path / "confidence.tif"),
        out__polygons=str(tmp_path / "map.gpkg"),
    )
    assert results["mode"] == "patches" and results["epochs_run"] == 2
    assert 0 < results["samples_validation"] < results["samples_training"] <= 3 * 60
    assert -1 <= results["kappa"] <= 1 and {"overall_accuracy", "f1_macro"} <= set(results)
    assert [(row["value"], row["name"]) for row in results["classes"]] == [(3, "water"), (5, "5"), (9, "wood")]
    made = gdal.Open(results["out"])
    assert made.GetGeoTransform() == gdal.Open(scene["two"]).GetGeoTransform()
    pixels = made.ReadAsArray()
    assert pixels.shape == (ROWS, COLUMNS)
    assert set(np.unique(pixels[:, 3:])) <= set(LABELS)
    assert (pixels[:, :3] == made.GetRasterBand(1).GetNoDataValue()).all()
    legend = raster_legend(made)
    assert (legend[3].name, legend[3].color, legend[9].name) == ("water", "#0000ff", "wood")
    assert "Confusion matrix" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "model" / "saved_model.pb").is_file()
    sidecar = read_sidecar(str(tmp_path / "model"))
    assert sidecar is not None and sidecar.calibration is not None
    told = sidecar.calibration
    assert (told.temperature, told.error_after) == (results["temperature"], results["calibration_error"])
    assert (told.measured_on, told.samples) == ("validation", results["samples_validation"])
    assert "they are no independent evidence" in (tmp_path / "report.html").read_text(encoding="utf-8")
    each, margin = gdal.Open(results["out.probabilities"]), gdal.Open(results["out.margin"]).ReadAsArray()
    probabilities = each.ReadAsArray()[:, :, 3:]
    assert [each.GetRasterBand(band).GetDescription() for band in (1, 2, 3)] == results["probabilities"]
    assert results["probabilities"] == ["water", "5", "wood"]
    assert (np.array(LABELS)[probabilities.argmax(axis=0)] == pixels[:, 3:]).all()
    np.testing.assert_allclose(margin[:, 3:], np.diff(np.sort(probabilities, axis=0)[-2:], axis=0)[0], atol=1e-6)
    assert np.isnan(margin[:, :3]).all()
    polygons = ogr.Open(results["out.polygons"])
    classes = {feature["class"]: feature["name"] for feature in polygons.GetLayer(0)}
    assert classes == {value: {3: "water", 5: "5", 9: "wood"}[value] for value in np.unique(pixels[:, 3:]).tolist()}
    drawn = [(feature.GetGeometryRef().Area(), feature["mean_prob"]) for feature in polygons.GetLayer(0)]
    sure = gdal.Open(results["out.confidence"])
    pixel = abs(sure.GetGeoTransform()[1] * sure.GetGeoTransform()[5])
    assert sum(area for area, _ in drawn) == pytest.approx(pixels[:, 3:].size * pixel)
    total = np.nansum(sure.ReadAsArray(), dtype="float64") * pixel
    assert sum(area * mean for area, mean in drawn) == pytest.approx(total, rel=1e-6)
    left = {path.name for path in tmp_path.iterdir()} - {"map.tif.aux.xml"}
    maps = {"map.tif", "margin.tif", "each.tif", "confidence.tif", "map.gpkg", "map.gpkg.json"}
    assert left == {*maps, "model", "report.html"}, "the steps are gone"
    assert log.done == sorted(log.done) and log.done[-1] == pytest.approx(1.0)


def test_from_polygons_with_texts(scene: dict[str, str], tmp_path: Path) -> None:
    """The polygons are in another coordinate system; the steps are kept, and the model learns on."""
    values = {"labels__vector": scene["polygons"], "labels__field": "class", "validation__share": 0.0}
    first = run(
        scene,
        tmp_path,
        **values,
        template="cnn16_deep",
        patchsize=5,
        keep=str(tmp_path / "steps"),
        out__keras=str(tmp_path / "net.keras"),
        augment__serve="flips",
        out__confidence=str(tmp_path / "sure.tif"),
    )
    assert first["samples_validation"] == 0 and first["out.keras"] == str(tmp_path / "net.keras")
    assert [(row["value"], row["name"]) for row in first["classes"]] == [(0, "crops"), (1, "water"), (2, "wood")]
    assert gdal.Open(first["out"]).GetRasterBand(1).GetNoDataValue() == 255
    model = {"source1.il": [scene["two"], scene["one"]], "model.dir": str(tmp_path / "net.keras")}
    outs = {"out": str(tmp_path / "again.tif"), "out.confidence": str(tmp_path / "again_sure.tif")}
    registry.run("TensorflowModelServe", {**model, **outs, "augment.serve": "flips"}, Log())
    mapped, again = (gdal.Open(found["out.confidence"]).ReadAsArray() for found in (first, outs))
    np.testing.assert_allclose(mapped, again, atol=1e-6)
    kept = {path.name for path in (tmp_path / "steps").iterdir()}
    assert {"samples_training.gpkg", "patches_training.tif", "labels_training.tif", "history.csv"} <= kept
    again = {"model__dir": str(tmp_path / "net.keras"), "patchsize": 5, "epochs": 1}
    second = run(scene, tmp_path, **values, **again, mask__vector=scene["polygons"])
    assert [row["name"] for row in second["classes"]] == ["crops", "water", "wood"]
    row, column = np.mgrid[:ROWS, :COLUMNS]
    inside = (row % SIDE >= 2) & (row % SIDE < SIDE - 2) & (column % SIDE >= 2) & (column % SIDE < SIDE - 2)
    assert ((gdal.Open(second["out"]).ReadAsArray() != 255) == (inside & (column >= 3))).all()
    with pytest.raises(ParameterError, match=r"PATCHSIZE \(16 here\) must suit MODEL_DIR\."):
        run(scene, tmp_path, **values, model__dir=str(tmp_path / "net.keras"))


def test_from_labels_of_every_pixel(scene: dict[str, str], tmp_path: Path) -> None:
    """The labels lie on another grid than the images; those of 9 do not count."""
    log = Log()
    results = run(
        scene,
        tmp_path,
        log,
        labels__raster=scene["tiles"],
        labels__nodata=9,
        template="fcnn",
        patchsize=16,
        samples=24,
        keep=str(tmp_path / "steps"),
    )
    assert results["mode"] == "dense"
    assert 0 < results["samples_training"] + results["samples_validation"] <= 24
    assert [row["value"] for row in results["classes"]] == [3, 5]
    pixels = gdal.Open(results["out"]).ReadAsArray()
    assert pixels.shape == (ROWS, COLUMNS) and set(np.unique(pixels[:, 3:])) <= {3, 5}
    labels = gdal.Open(str(tmp_path / "steps" / "labels.tif"))
    wanted = np.array(LABELS)[parcels()]
    np.testing.assert_array_equal(labels.ReadAsArray(), np.where(wanted == 9, 255, wanted))
    assert log.done == sorted(log.done)


class UntilTraining(Log):
    """Asks to stop once the classes are told."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(str(message))

    def cancelled(self) -> bool:
        return any(line.startswith("Class 15: ") for line in self.lines)


def test_few_tiles_hold_each_class_that_has_data(scene: dict[str, str], tmp_path: Path) -> None:
    """Four classes are one pixel each, in 4 of about 150 tiles; class 7 lies where the image has no data."""
    labels = np.array([3, 5])[parcels() % 2]
    labels[[8, 40, 88, 88], [120, 40, 60, 120]], labels[:, :3] = [9, 11, 13, 15], 7
    values = {"labels__raster": raster(tmp_path / "labels.tif", labels), "template": "fcnn", "patchsize": 16}
    log = UntilTraining()
    with pytest.raises(Cancelled):
        run(scene, tmp_path, log, **values, samples=6, validation__share=0)
    told = "\n".join(log.lines)
    assert re.findall(r"Class (\d+): [1-9]\d* labelled pixels? for training\.", told) == [
        "3",
        "5",
        "9",
        "11",
        "13",
        "15",
    ]
    assert log.warnings == ["Class 7 is not learned: every tile that holds a label of it also holds no-data."]
    with pytest.raises(ParameterError, match="is in none of the tiles for training, because SAMPLES is 2"):
        run(scene, tmp_path, **values, samples=2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "LABELS_RASTER and LABELS_VECTOR are missing"),
        ({"labels__raster": "sparse", "labels__vector": "polygons", "labels__field": "class"}, "both given"),
        ({"labels__vector": "polygons"}, "LABELS_FIELD is missing"),
        ({"labels__vector": "polygons", "labels__field": "clas"}, "has no field 'clas'. Did you mean class?"),
        ({"labels__raster": "sparse", "labels__field": "class"}, "LABELS_FIELD is .* applies only to LABELS_VECTOR"),
        (
            {"labels__vector": "polygons", "labels__field": "class", "labels__nodata": 1},
            "LABELS_NODATA is 1, but applies only to LABELS_RASTER",
        ),
        ({"labels__raster": "sparse", "mode": "dense", "template": "cnn16"}, "choose unet or fcnn"),
        ({"labels__raster": "sparse", "template": "unet", "patchsize": 24}, "must be a multiple of 16"),
        ({"labels__raster": "sparse", "patchsize": 17}, "PATCHSIZE is 17, but for the network cnn16 it must be 16"),
        ({"labels__raster": "sparse", "template": "cnn16_deep", "patchsize": 97}, "has only 128 x 96 pixels"),
        ({"labels__raster": "sparse", "model__dir": "/none.keras"}, "which does not exist"),
        ({"labels__raster": "sparse", "model__dir": "folder"}, "must be a Keras model, which can be trained"),
        ({"labels__raster": "sparse", "model__dir": "detector"}, "MODEL_DIR is .*, a detector, which finds objects"),
        ({"labels__raster": "sparse", "model__dir": "sparse", "template": "unet"}, "MODEL_DIR is given too"),
        ({"labels__raster": "sparse", "out__keras": "/tmp/net.h5"}, "must end with .keras"),
        (
            {"labels__raster": "sparse", "calibrate": True, "validation__share": 0},
            "CALIBRATE is on, but VALIDATION_SHARE is 0",
        ),
        ({"labels__raster": "sparse", "legend": "[1]"}, "must be JSON"),
        ({"labels__raster": "sparse", "out": "two"}, "OUT is .*two.tif, which is also an input"),
        ({"labels__raster": "sparse", "out": "/nowhere/map.tif"}, "does not exist: create it"),
        ({"labels__raster": "sparse", "out__polygons": "/tmp/map.xyz"}, "no vector format with the extension .xyz"),
        ({"labels__raster": "sparse", "keep": "two"}, "KEEP is .*two.tif, which is a file"),
        (
            {"in": "oblong", "labels__raster": "sparse", "augment__serve": "flips_turns"},
            "AUGMENT_SERVE is flips_turns, but .*oblong.tif has pixels of 10 x 9.* AUGMENT_SERVE=flips",
        ),
        ({"labels__raster": "two"}, "has 2 bands, but labels are one band"),
    ],
)
def test_bad_input_is_told_before_work_starts(
    scene: dict[str, str], tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    given = {key: scene.get(value, value) if isinstance(value, str) else value for key, value in values.items()}
    with pytest.raises((ParameterError, RasterError, VectorError), match=message):
        run(scene, tmp_path, **given)
    assert list(tmp_path.iterdir()) == []


def test_labels_elsewhere_are_told(scene: dict[str, str], tmp_path: Path) -> None:
    away = raster(tmp_path / "away.tif", sparse(parcels()), nodata=-1, x=X + 100_000)
    with pytest.raises(ParameterError, match="LABELS_RASTER is .*they do not overlap"):
        run(scene, tmp_path, labels__raster=away)
    polygons = layer(tmp_path / "away.gpkg", [("1", box(1e4, 0, 1e4 + 9, 9)), ("2", box(1e4, 9, 1e4 + 9, 19))])
    with pytest.raises(ParameterError, match="LABELS_VECTOR is .*they do not overlap"):
        run(scene, tmp_path, labels__vector=polygons, labels__field="class")


def test_one_class_is_not_enough(scene: dict[str, str], tmp_path: Path) -> None:
    one = raster(tmp_path / "one.tif", np.where(sparse(parcels()) == 3, 3, -1), nodata=-1)
    with pytest.raises(ParameterError, match=r"LABELS_RASTER has one class only \(3\)"):
        run(scene, tmp_path, labels__raster=one)
    none = raster(tmp_path / "none.tif", np.full((ROWS, COLUMNS), -1), nodata=-1)
    with pytest.raises(ParameterError, match="has no label on the image"):
        run(scene, tmp_path, labels__raster=none)
    polygons = layer(tmp_path / "one.gpkg", [("4", box(10, 10, 30, 30)), ("4", box(50, 10, 70, 30))])
    with pytest.raises(ParameterError, match=r"LABELS_FIELD \(class\) has one class only \(4\)"):
        run(scene, tmp_path, labels__vector=polygons, labels__field="class")


def test_labels_in_one_place_cannot_be_held_back(scene: dict[str, str], tmp_path: Path) -> None:
    near = [("1", box(40, 40, 46, 46)), ("2", box(46, 40, 52, 46))]
    polygons = layer(tmp_path / "near.gpkg", near)
    with pytest.raises(ParameterError, match="set VALIDATION_SHARE to 0"):
        run(scene, tmp_path, labels__vector=polygons, labels__field="class")


def test_patches_with_nan_are_left_out_and_infinite_values_told_by_the_images(
    scene: dict[str, str], tmp_path: Path
) -> None:
    """The patches are files of ours: the user knows the images."""
    pixels = np.random.default_rng(0).normal(size=(ROWS, COLUMNS))
    pixels[::20, ::20] = np.inf
    pixels[:, 40:] = np.nan
    log = Log()
    image = str(tmp_path / "gaps.tif")
    grid = gdal.Open(scene["one"])
    dataset = gdal.GetDriverByName("GTiff").Create(image, COLUMNS, ROWS, 1, gdal.GDT_Float32)
    dataset.SetGeoTransform(grid.GetGeoTransform())
    dataset.SetProjection(grid.GetProjection())
    dataset.GetRasterBand(1).WriteArray(pixels)
    dataset = None
    values: dict[str, Any] = {"in": [image], "nodata": -1, "epochs": 1, "labels__raster": scene["sparse"]}
    run(scene, tmp_path, log, **values)
    assert any("patches of IN hold NaN or infinite values" in line for line in log.warnings)
    assert not any("SOURCE" in line for line in log.warnings)


def test_a_model_that_is_not_trusted_is_told_without_a_parameter_that_is_not_there(
    scene: dict[str, str], tmp_path: Path
) -> None:
    import keras  # after GDAL, whose SQLite has what GeoPackages need

    lambda_ = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Lambda(lambda pixels: pixels * 2)])
    lambda_.save(tmp_path / "net.keras")
    with pytest.raises(ModelError, match="TRUST_MODEL of TensorflowModelTrain"):
        run(scene, tmp_path, labels__raster=scene["sparse"], model__dir=str(tmp_path / "net.keras"))


def test_cancelled_leaves_nothing(scene: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        run(scene, tmp_path, Stop(), labels__raster=scene["sparse"])
    assert list(tmp_path.iterdir()) == []


def test_classes_that_take_up_a_pixel_type_get_the_next_one() -> None:
    """As many as 256 names: they are 0 to 255, which leaves bytes no number for pixels without a class."""
    every = {f"{number:03}": number for number in range(256)}
    field = Field("class", TEXT)
    labels = VectorLabels("", cast(Any, SimpleNamespace(field=field)), {}, True)
    found = classes_of(labels, every, {})
    assert found.values == tuple(range(256)) and found.numbers == every
    assert found.ignored not in found.values and smallest_type((*found.values, found.ignored)) == np.int16
