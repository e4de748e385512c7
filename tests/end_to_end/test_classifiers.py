"""A classifier on a network's features: trained and mapped as qgis_process does it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from osgeo import gdal, osr
from points import write_points

keras = pytest.importorskip("keras")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a network, an image whose halves differ, and polygons with the classes 3 and 7 in them."""
    folder = tmp_path_factory.mktemp("classifiers")
    keras.utils.set_random_seed(1)
    x = keras.Input((None, None, 2), name="x")
    features = keras.layers.Conv2D(5, 3, activation="tanh", name="features")(x)
    keras.Model(x, keras.layers.Conv2D(2, 1, name="a")(features)).save(folder / "net.keras")
    image = gdal.GetDriverByName("GTiff").Create(str(folder / "image.tif"), 40, 30, 2, gdal.GDT_Float32)
    system = osr.SpatialReference()
    system.ImportFromEPSG(32654)
    image.SetProjection(system.ExportToWkt())
    image.SetGeoTransform((300000, 10, 0, 4000000, 0, -10))
    pixels = np.random.default_rng(0).random((2, 30, 40), np.float32) * 0.1
    pixels[:, :, 20:] += 1
    image.WriteRaster(0, 0, 40, 30, pixels.tobytes(), buf_type=gdal.GDT_Float32)
    image = None
    boxes = [
        f"POLYGON(({x} 3999720,{x + 140} 3999720,{x + 140} 3999980,{x} 3999980,{x} 3999720))" for x in (300020, 300240)
    ]
    write_points(folder / "training.gpkg", boxes, **{"class": [3, 7]})
    return folder


def test_trained_and_mapped(qgis, files):
    common = {"SOURCE1_IL": files / "image.tif", "OUTPUT_NAMES": "features"}
    trained = qgis.run(
        "otbtf:trainclassifierfromdeepfeatures",
        {
            **common,
            "MODEL_DIR": files / "net.keras",
            "VD": files / "training.gpkg",
            "SAMPLE_VFN": "class",
            "CLASSIFIER": "rf",
            "CLASSIFIER_RF_NBTREES": 10,
            "RAND": 1,
            "OUT": files / "forest.skops",
            "OUT_REPORT": files / "forest.html",
            "CONFMATOUT": files / "forest.csv",
        },
    )
    assert trained["KAPPA"] == pytest.approx(1) and trained["CLASSES"] == 2
    assert (files / "forest.csv").read_text() == (
        "#Reference labels (rows):3,7\n#Produced labels (columns):3,7\n{0},0\n0,{0}\n".format(
            trained["VALIDATION_SAMPLES"] // 2
        )
    )
    assert "Classifier: random forest" in (files / "forest.html").read_text(encoding="utf-8")

    mapped = qgis.run(
        "otbtf:imageclassifierfromdeepfeatures",
        {
            **common,
            "DEEPMODEL_DIR": files / "net.keras",
            "MODEL": files / "forest.skops",
            "OUT": files / "map.tif",
            "CONFMAP": files / "confidence.tif",
        },
    )
    assert [row["value"] for row in json.loads(mapped["CLASSES"])] == [3, 7]
    labels = gdal.Open(str(files / "map.tif")).ReadAsArray()
    assert labels.shape == (28, 38)
    assert (labels[:, :18] == 3).all() and (labels[:, 20:] == 7).all()
    assert gdal.Open(str(files / "confidence.tif")).ReadAsArray().max() == 1
