"""Every operation that reads images takes each way of marking a pixel as missing like a no-data value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import detectors
import numpy as np
import pytest
from classifier_scene import HEIGHT, WIDTH, layer, pixels, run, train_deep, train_pixels
from landcover_scene import COLUMNS, LABELS, ROWS, parcels, sparse
from marked_rasters import made
from osgeo import gdal, ogr
from points import write_points
from serving import Log, read

from otbtf_qgis.core import registry
from otbtf_qgis.core.parameters import kinds
from otbtf_qgis.core.parameters.parsing import keys
from otbtf_qgis.core.parameters.rastersource import RasterSource

pytest.importorskip("tensorflow")

GAP = np.zeros((HEIGHT, WIDTH), bool)
GAP[10:22, 12:31] = True
"""Pixels that are missing."""

MARKS = ("internal mask", "external mask", "ranges", "alpha")


def marked(folder: Path, how: str, bands: np.ndarray, gap: np.ndarray) -> Any:
    """Write an image that holds 0 in its gap, and marks it."""
    bands = np.where(gap[..., None], 0, bands).astype(bands.dtype)
    mask = np.where(gap, 0, 255).astype("uint8")
    path = folder / f"{how.replace(' ', '_')}.tif"
    if how == "tag":
        return made(path, bands, 0)
    if how.endswith("mask"):
        return made(path, bands, None, mask, external=how == "external mask")
    if how == "alpha":
        alpha = np.where(gap, 0, np.iinfo(bands.dtype).max).astype(bands.dtype)
        return made(path, np.dstack([bands, alpha]), alpha=True)
    plain = made(path, bands)
    return RasterSource(plain, nodata=[[[0, 0]]] * bands.shape[2]) if how == "ranges" else plain


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The image with its gap marked in each way, labels alike, and what is done with them."""
    import keras

    folder = tmp_path_factory.mktemp("scene")
    found = SimpleNamespace(folder=folder, images={}, labels={}, polygons=layer(folder / "polygons.gpkg"))
    labels = (
        np.where(np.arange(WIDTH) < WIDTH // 2, 1, 2) * np.ones((HEIGHT, 1), int)
        + 2 * (np.arange(HEIGHT) > 20)[:, None]
    )
    found.truth = made(folder / "truth.tif", np.roll(labels, 3, axis=1)[..., None].astype("uint8"))
    for how in ("none", "tag", *MARKS):
        (folder / "images").mkdir(exist_ok=True)
        (folder / "labels").mkdir(exist_ok=True)
        found.images[how] = marked(folder / "images", how, pixels(), GAP)
        found.labels[how] = marked(folder / "labels", how, labels[..., None].astype("uint8"), GAP)
    inputs = keras.Input((None, None, 3), name="x")
    found.model = str(folder / "model.keras")
    keras.utils.set_random_seed(0)
    keras.Model(inputs, keras.layers.Conv2D(2, 3, name="features")(inputs)).save(found.model)
    rows, columns = (part.ravel() for part in np.mgrid[2:HEIGHT:4, 2:WIDTH:4])
    places = [(300005.0 + 10 * c, 3999995.0 - 10 * r) for r, c in zip(rows, columns)]
    found.detector = detectors.yolo_grid(folder / "detector.onnx", gain=1e-4)
    found.points = write_points(folder / "points.gpkg", places, **{"class": (rows % 3).tolist()})
    found.classifier = train_pixels(folder)
    found.deep = train_deep(folder, found.images["none"], found.model, found.polygons)["out"]
    return found


def table(path: str) -> list[Any]:
    """The features of a layer: geometries and attributes."""
    dataset = ogr.Open(path)
    rows = [(f.geometry().ExportToWkt() if f.geometry() else "", f.items()) for f in dataset.GetLayer(0)]
    return [(wkt, {k: v for k, v in items.items() if k != "fid"}) for wkt, items in rows]


def text(path: Path) -> str:
    return path.read_text()


def serve(scene: SimpleNamespace, image: Any, folder: Path, **more: Any) -> Any:
    out = str(folder / "out.tif")
    run("TensorflowModelServe", Log(), source1__il=[image], model__dir=scene.model, output__bv=-7, out=out, **more)
    return read(out).tolist()


def extraction(scene: SimpleNamespace, image: Any, folder: Path, **more: Any) -> Any:
    out = {"source1__out": str(folder / "patches.tif"), "outlabels": str(folder / "labels.tif")}
    size = {"source1__patchsizex": 5, "source1__patchsizey": 4}
    run("PatchesExtraction", Log(), source1__il=[image], vec=scene.points, field="class", **size, **out, **more)
    return [read(path).tolist() for path in out.values()]


def selection(scene: SimpleNamespace, image: Any, folder: Path, **more: Any) -> Any:
    values = {"in": image, "grid__step": 6, "grid__psize": 6, "strategy": "all", "outtrain": str(folder / "p.gpkg")}
    run("PatchesSelection", Log(), **values, **more)
    return table(values["outtrain"])


def samples(scene: SimpleNamespace, image: Any, folder: Path, **more: Any) -> Any:
    values = {"in": image, "vec": scene.polygons, "field": "class", "strategy": "all", "out": str(folder / "s.gpkg")}
    run("SampleSelection", Log(), **values, **more)
    return table(values["out"])


def values_under(scene: SimpleNamespace, image: Any, folder: Path, **more: Any) -> Any:
    run("SampleExtraction", Log(), **{"in": image}, vec=scene.points, out=str(folder / "v.gpkg"), **more)
    return table(str(folder / "v.gpkg"))


def statistics(name: str) -> Callable[..., Any]:
    def found(scene: SimpleNamespace, image: Any, folder: Path, **more: Any) -> Any:
        run(name, Log(), **{"in": image}, vec=scene.polygons, field="class", out=str(folder / "s.xml"), **more)
        return text(folder / "s.xml")

    return found


def bands(scene: SimpleNamespace, image: Any, folder: Path, **more: Any) -> Any:
    run("ComputeImagesStatistics", Log(), il=[image], out=str(folder / "b.xml"), **more)
    return text(folder / "b.xml")


def classify(scene: SimpleNamespace, image: Any, folder: Path, **more: Any) -> Any:
    run("ImageClassifier", Log(), **{"in": image}, model=scene.classifier, out=str(folder / "map.tif"), **more)
    return read(str(folder / "map.tif")).tolist()


def train_from_features(scene: SimpleNamespace, image: Any, folder: Path, **more: Any) -> Any:
    results = train_deep(folder, image, scene.model, scene.polygons, Log(), sample__mt=-1, sample__mv=-1, **more)
    return {key: value for key, value in results.items() if isinstance(value, (int, float))}


def classify_from_features(scene: SimpleNamespace, image: Any, folder: Path, **more: Any) -> Any:
    values = {"source1__il": [image], "deepmodel__dir": scene.model, "model": scene.deep, "out": str(folder / "m.tif")}
    run("ImageClassifierFromDeepFeatures", Log(), **values, **more)
    return read(str(folder / "m.tif")).tolist()


def normalised(scene: SimpleNamespace, image: Any, folder: Path, **more: Any) -> Any:
    import keras

    out = str(folder / "net.keras")
    values = {"template": "cnn16", "classes": 3, "normalization": "standard", "seed": 1, "out__keras": out}
    run("CreateModel", Log(), source1__il=[image], **values, **more)
    patch = pixels()[None, :16, :16].astype("float32")
    return np.asarray(keras.models.load_model(out, compile=False)({"source1": patch})).tolist()


def label_samples(scene: SimpleNamespace, labels: Any, folder: Path, **more: Any) -> Any:
    run("LabelImageSampleSelection", Log(), inref=labels, strategy="all", outvec=str(folder / "l.gpkg"), **more)
    return table(str(folder / "l.gpkg"))


def accuracy(scene: SimpleNamespace, labels: Any, folder: Path, **more: Any) -> Any:
    values = {"in": labels, "ref": "raster", "ref__raster__in": scene.truth, "out": str(folder / "m.csv")}
    run("ComputeConfusionMatrix", Log(), **values, **more)
    return text(folder / "m.csv")


def polygons(scene: SimpleNamespace, labels: Any, folder: Path, **more: Any) -> Any:
    run("MapToPolygons", Log(), **{"in": labels}, out=str(folder / "p.gpkg"), **more)
    return table(str(folder / "p.gpkg"))


def reference(scene: SimpleNamespace, labels: Any, folder: Path, **more: Any) -> Any:
    values = {"in": scene.truth, "ref": "raster", "ref__raster__in": labels, "out": str(folder / "m.csv")}
    run("ComputeConfusionMatrix", Log(), **values, **more)
    return text(folder / "m.csv")


def moved_reference(scene: SimpleNamespace, labels: Any, folder: Path, **more: Any) -> Any:
    """The map lies half a pixel beside the reference, which is warped then."""
    moved = gdal.Translate(str(folder / "moved.tif"), scene.truth)
    moved.SetGeoTransform((300004.0, 10, 0, 3999996.0, 0, -10))
    moved = None
    values = {"in": str(folder / "moved.tif"), "ref": "raster", "ref__raster__in": labels, "out": str(folder / "m.csv")}
    run("ComputeConfusionMatrix", Log(), **values, **more)
    return text(folder / "m.csv")


def probed(scene: SimpleNamespace, image: Any, folder: Path, **more: Any) -> Any:
    results = run("DescribeModel", Log(), source1__il=[image], model__dir=scene.model, **more)
    return results["fits"], results["parameters"]


def arithmetic(name: str) -> Callable[..., Any]:
    def found(scene: SimpleNamespace, image: Any, folder: Path, **more: Any) -> Any:
        out = str(folder / "sum.tif")
        run(name, Log(), il=[image], exp="im1b1 + 2 * im1b3", out=out, out__nodata=-1, **more)
        return read(out).tolist()

    return found


def managed(scene: SimpleNamespace, image: Any, folder: Path, **more: Any) -> Any:
    mask, changed = str(folder / "mask.tif"), str(folder / "changed.tif")
    run("ManageNoData", Log(), **{"in": image}, mode="buildmask", out=mask, **more)
    run("ManageNoData", Log(), **{"in": image}, mode="changevalue", mode__changevalue__newv=7, out=changed, **more)
    return read(mask).tolist(), read(changed).tolist()


def detected(scene: SimpleNamespace, image: Any, folder: Path, **more: Any) -> Any:
    out = str(folder / "o.gpkg")
    run("DetectObjects", Log(), il=[image], model__dir=scene.detector, score=0, out=out, **more)
    return table(out)


CASES: dict[str, tuple[str, Callable[..., Any]]] = {
    "TensorflowModelServe": ("images", serve),
    "TensorflowModelServe, patches": (
        "images",
        lambda *given, **more: serve(*given, model__fullyconv="off", source1__rfieldx=3, source1__rfieldy=3, **more),
    ),
    "PatchesExtraction": ("images", extraction),
    "PatchesSelection": ("images", selection),
    "SampleSelection": ("images", samples),
    "SampleExtraction": ("images", values_under),
    "PolygonClassStatistics": ("images", statistics("PolygonClassStatistics")),
    "DensePolygonClassStatistics": ("images", statistics("DensePolygonClassStatistics")),
    "ComputeImagesStatistics": ("images", bands),
    "ImageClassifier": ("images", classify),
    "TrainClassifierFromDeepFeatures": ("images", train_from_features),
    "ImageClassifierFromDeepFeatures": ("images", classify_from_features),
    "CreateModel": ("images", normalised),
    "DescribeModel": ("images", probed),
    "DetectObjects": ("images", detected),
    "BandMath": ("images", arithmetic("BandMath")),
    "BandMathX": ("images", arithmetic("BandMathX")),
    "ManageNoData": ("images", managed),
    "LabelImageSampleSelection": ("labels", label_samples),
    "MapToPolygons": ("labels", polygons),
    "ComputeConfusionMatrix": ("labels", accuracy),
    "ComputeConfusionMatrix, reference": ("labels", reference),
    "ComputeConfusionMatrix, reference on another grid": ("labels", moved_reference),
}

VALUES_ALONE = ("SampleExtraction", "DescribeModel")
"""Operations to which no-data means nothing, only which bands there are."""


@pytest.fixture(scope="module")
def expected(scene: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Any]:
    known: dict[tuple[str, str], Any] = {}

    def of(case: str, how: str) -> Any:
        if (case, how) not in known:
            what, made_of = CASES[case]
            known[case, how] = made_of(scene, getattr(scene, what)[how], tmp_path_factory.mktemp("expected"))
        return known[case, how]

    return of


@pytest.mark.parametrize("how", MARKS)
@pytest.mark.parametrize("case", CASES)
def test_a_mark_means_what_a_no_data_value_means(
    case: str, how: str, scene: SimpleNamespace, expected: Callable[[str, str], Any], tmp_path: Path
) -> None:
    what, made_of = CASES[case]
    found = made_of(scene, getattr(scene, what)[how], tmp_path)
    assert found == expected(case, "tag")
    assert (found == expected(case, "none")) == (case in VALUES_ALONE)


@pytest.mark.parametrize("how", ["tag", *MARKS])
@pytest.mark.parametrize("case", CASES)
def test_marks_are_switched_off_together(
    case: str, how: str, scene: SimpleNamespace, expected: Callable[[str, str], Any], tmp_path: Path
) -> None:
    what, made_of = CASES[case]
    names = {key.name for key in keys(registry.declaration(case.partition(",")[0]))}
    switch = next((name for name in names if name.endswith("nodata_from_layer")), "")
    if not switch:
        assert case in (*VALUES_ALONE, "ManageNoData")
        return
    found = made_of(scene, getattr(scene, what)[how], tmp_path, **{switch.replace(".", "__"): False})
    assert found == expected(case, "none")


def test_every_operation_that_reads_images_has_a_case() -> None:
    reading = {
        name for name in registry.names() if any(key.name.endswith("alpha") for key in keys(registry.declaration(name)))
    }
    assert reading - {"LandCoverMap", "RegressionMap"} == {case.partition(",")[0] for case in CASES}
    images = {
        name
        for name in registry.names()
        if any(key.kind in (kinds.RASTER, kinds.RASTERS) for key in keys(registry.declaration(name)))
    }
    assert images - reading == {
        *(
            "PatchesMosaic",
            "TensorflowModelTrain",
            "TrainModel",
            "FindLearningRate",
            "SearchSettings",
        ),  # patches: all of their bands are bands
        *("ConcatenateImages", "ExtractROI", "Superimpose"),  # which copy bands, whatever they are
        *("AssessDetections", "ObjectLabels"),  # only the place of the image counts
    }


@pytest.mark.parametrize("how", ["tag", *MARKS])
def test_a_map_of_a_quantity_is_the_same_whatever_marks_the_image(how: str, tmp_path: Path) -> None:
    gap = np.zeros((ROWS, COLUMNS), bool)
    gap[:, :3] = gap[40:60, 50:80] = True
    bands = np.random.default_rng(0).integers(20, 120, (ROWS, COLUMNS, 2)).astype("uint8")
    values = made(tmp_path / "values.tif", 2 * bands[..., :1].astype("int16"), -1)
    image = marked(tmp_path, how, bands, gap)
    given = {"in": [image], "values.raster": values, "epochs": 1, "samples": 400, "out": str(tmp_path / "map.tif")}
    results = registry.run("RegressionMap", given, Log())
    found = read(str(tmp_path / "map.tif")).reshape(ROWS, COLUMNS)
    assert ((found == -9999) == gap).all()
    share = 1 - gap.mean()
    assert 0.8 * share < (results["samples_training"] + results["samples_validation"]) / 400 < 1.1 * share


@pytest.mark.parametrize("how", ["tag", *MARKS])
def test_a_land_cover_map_is_the_same_whatever_marks_the_image(how: str, tmp_path: Path) -> None:
    gap = np.zeros((ROWS, COLUMNS), bool)
    gap[:, :3] = gap[40:60, 50:80] = True
    numbers = parcels()
    bands = np.random.default_rng(0).integers(20, 120, (ROWS, COLUMNS, 2)).astype("uint8")
    bands[..., 0] += (numbers * 40).astype("uint8")
    labels = made(tmp_path / "labels.tif", sparse(numbers).astype("int16")[..., None], -1)
    image = marked(tmp_path, how, bands, gap)
    results = registry.run(
        "LandCoverMap",
        {"in": [image], "labels.raster": labels, "epochs": 1, "samples": 40, "out": str(tmp_path / "map.tif")},
        Log(),
    )
    found = read(str(tmp_path / "map.tif")).reshape(ROWS, COLUMNS)
    assert (np.isin(found, LABELS) == ~gap).all()
    assert results["samples_training"] + results["samples_validation"] > 0
