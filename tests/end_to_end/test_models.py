"""Describing, exporting and serving a model, as qgis_process does it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from osgeo import gdal

from otbtf_qgis.core.classes.legend import raster_legend

keras = pytest.importorskip("keras")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a Keras model that tells the largest of three bands, an image, and a label raster."""
    folder = tmp_path_factory.mktemp("models")
    x = keras.Input((None, None, 3), name="x")
    largest = keras.ops.cast(keras.ops.argmax(keras.layers.Conv2D(3, 3, padding="same")(x), axis=-1), "uint8")
    keras.Model(x, keras.layers.Identity(name="label")(largest)).save(folder / "net.keras")
    tiff = gdal.GetDriverByName("GTiff")
    image = tiff.Create(str(folder / "image.tif"), 40, 30, 3, gdal.GDT_Float32)
    pixels = np.random.default_rng(0).random((3, 30, 40), np.float32)
    image.WriteRaster(0, 0, 40, 30, pixels.tobytes(), buf_type=gdal.GDT_Float32)
    labels = tiff.Create(str(folder / "labels.tif"), 2, 2, 1, gdal.GDT_Byte)
    colors = gdal.ColorTable()
    for value, color in enumerate(((0, 0, 255, 255), (0, 128, 0, 255), (255, 200, 0, 255))):
        colors.SetColorEntry(value, color)
    labels.GetRasterBand(1).SetColorTable(colors)
    labels.GetRasterBand(1).SetCategoryNames(["water", "forest", "crops"])
    image = labels = None
    return folder


def test_described_exported_and_served(qgis, files):
    described = qgis.run(
        "otbtf:describemodel",
        {
            "MODEL_DIR": files / "net.keras",
            "CLASSES": files / "labels.tif",
            "SIDECAR": "on",
            "OUT_HTML": files / "net.html",
            "OUT_JSON": files / "net.json",
        },
    )
    assert described["VERDICT"] == "fully convolutional" and described["SIDECAR_PATH"] == str(files / "net.keras.json")
    assert "<svg" in (files / "net.html").read_text(encoding="utf-8")
    item = json.loads((files / "net.json").read_text(encoding="utf-8"))
    assert item["properties"]["otbtf:geometry"][0]["true_receptive_fields"] == [[3, 3]]

    exported = qgis.run("otbtf:exportsavedmodel", {"MODEL_DIR": files / "net.keras", "OUT": files / "net"})
    assert exported["OUTPUTS"] == "label" and (files / "net" / "mlm.json").is_file()

    served = qgis.run(
        "otbtf:tensorflowmodelserve",
        {"SOURCE1_IL": files / "image.tif", "MODEL_DIR": files / "net", "OUT": files / "map.tif"},
    )
    assert [row["name"] for row in json.loads(served["CLASSES"])] == ["water", "forest", "crops"]
    dataset = gdal.Open(str(files / "map.tif"))
    shown = [(entry.name, entry.color) for entry in raster_legend(dataset).values() if entry.name]
    assert shown == [("water", "#0000ff"), ("forest", "#008000"), ("crops", "#ffc800")]
    pixels = np.moveaxis(gdal.Open(str(files / "image.tif")).ReadAsArray(), 0, -1)
    expected = keras.models.load_model(files / "net.keras")(pixels[None])
    np.testing.assert_array_equal(dataset.ReadAsArray(), np.asarray(expected)[0])


def test_how_sure_a_map_is_in_the_same_run(qgis, files):
    """Outputs under Advanced, which are no destinations in QGIS, as paths and as temporary rasters."""
    x = keras.Input((None, None, 3), name="x")
    keras.Model(x, keras.layers.Conv2D(3, 1, activation="softmax", name="p")(x)).save(files / "sure.keras")
    others = [shutil.copy(files / "sure.keras", files / f"{name}.keras") for name in ("second", "third")]
    served = qgis.run(
        "otbtf:tensorflowmodelserve",
        {
            "SOURCE1_IL": files / "image.tif",
            "MODEL_DIR": files / "sure.keras",
            "OUT": files / "p.tif",
            "OUT_CONFIDENCE": files / "confidence.tif",
            "OUT_MARGIN": "TEMPORARY_OUTPUT",
            "MODEL_MORE": others,
            "OUT_AGREEMENT": files / "agreement.tif",
        },
    )
    assert (gdal.Open(str(files / "agreement.tif")).ReadAsArray() == 1).all(), "of a model with its copies"
    assert served["OUT_CONFIDENCE"] == str(files / "confidence.tif") and served["OUT_MARGIN"].endswith(".tif")
    ranked = np.sort(gdal.Open(str(files / "p.tif")).ReadAsArray(), axis=0)
    np.testing.assert_allclose(gdal.Open(str(files / "confidence.tif")).ReadAsArray(), ranked[2], atol=1e-6)


def test_rasters_that_do_not_fit_are_told(qgis, files):
    described = qgis.run("otbtf:describemodel", {"MODEL_DIR": files / "net.keras", "SOURCE1_IL": files / "labels.tif"})
    assert described["FITS"] == "no" and "expects 3 bands, but source 1 has 1" in described["MISFITS"]
