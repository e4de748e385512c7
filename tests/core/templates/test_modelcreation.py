"""What CreateModel refuses, and that nothing is lost when it does."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("tensorflow")

from template_models import DATES, create, patches

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled, ModelError, OtbtfError


@pytest.mark.parametrize(
    ("template", "values", "message"),
    [
        ("cnn16", {}, "BANDS is missing: give the number of bands of each source of the template cnn16"),
        ("cnn16", {"bands": "4 x"}, "BANDS is '4 x', but must be whole numbers"),
        ("cnn16", {"bands": "0"}, "BANDS is 0, but each must be at least 1"),
        ("cnn16", {"bands": "1 4"}, "bands for 2 sources (1 4), but the template cnn16 has 1"),
        ("pan_xs", {"bands": "4"}, "source 1: panchromatic; source 2: multispectral"),
        ("cnn16", {"bands": "4", "classes": None}, "CLASSES (the number of classes) is missing"),
        ("cnn16", {"bands": "4", "classes": 1}, "CLASSES is 1, but must be from 2"),
        ("cnn16", {"bands": "4", "depth": 3}, "DEPTH is given, but the template cnn16 has no such option"),
        ("cnn16", {"bands": "4", "dates": "3"}, "DATES is given, but the template cnn16 takes account"),
        ("norm", {"bands": "4", "normalization": "scale"}, "NORMALIZATION is given, but the template norm has no such"),
        ("norm", {"bands": "4", "classes": 2}, "CLASSES is given, but the template norm has no such option"),
        ("cnn16", {"bands": "4", "normalization": "scale", "scale": 0}, "SCALE is 0, but must be above 0"),
        (
            "cnn16",
            {"bands": "4", "normalization": "maximum"},
            "SOURCE1_IL is missing: give the images to take the statistics from",
        ),
        ("unet", {"bands": "4", "width": 4000, "depth": 8}, "makes 1024000 filters at the bottom of the U-Net"),
        (
            "detector",
            {"bands": "4", "classes": 2, "width": 256, "depth": 6},
            "makes 16384 filters at the bottom of the U-Net",
        ),
        ("super_resolution", {"bands": "4", "factor": 3}, "FACTOR is 3, but must be one of: 2, 4"),
        ("scalar_product", {"bands": "4 3"}, "have 4 and 3 bands, but must have the same number"),
        ("time_series_vhr", {"bands": "7 3", "dates": "3"}, "3 dates, which do not divide the 7 bands"),
        ("time_series_vhr", {"bands": "7 3", "patchsize": 8}, "Keras cannot build the template time_series_vhr"),
        ("harmonic", {"bands": "12"}, "DATES holds 0 dates, but source 1 has 12 bands"),
        (
            "harmonic",
            {"bands": "2", "dates": "2020-01-01 2020-13-01"},
            "DATES: item 2 is '2020-13-01', but must be a date",
        ),
        ("harmonic", {"bands": "12", "dates": DATES, "harmonics": 6}, "12 different times for 14 unknowns"),
        ("harmonic", {"bands": "12", "dates": DATES, "period": 0}, "period is 0 and harmonics 2"),
        ("band_arithmetic", {"bands": "2"}, "EXPRESSION is missing"),
        (
            "band_arithmetic",
            {"bands": "2", "expression": "im1b1 +"},
            "The expression, character 8: a number, a variable",
        ),
        ("band_arithmetic", {"bands": "2", "expression": "im1b3"}, "im1b3 does not exist: im1 has 2 bands"),
        ("band_arithmetic", {"bands": "2", "expression": "im1b1Maxi"}, "SOURCE1_IL is missing: give the images"),
        ("backbone_convnext_tiny", {"bands": "3", "layer": "convnext_tiny_stm"}, "Did you mean convnext_tiny_stem"),
        ("backbone_resnet50v2", {"bands": "3", "weights": "file"}, "WEIGHTS=file and WEIGHTS_FILE belong together"),
        (
            "backbone_resnet50v2",
            {"bands": "3", "weights": "file", "weights.file": "no.h5"},
            "is no.h5, but must be an existing file",
        ),
    ],
)
def test_bad_parameters(tmp_path, template, values, message):
    with pytest.raises(OtbtfError) as caught:
        create(tmp_path, template, **values)
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_a_file_of_other_weights(tmp_path):
    import keras

    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(ModelError, match="whose weights do not fit ConvNeXtTiny"):
        values = {"weights": "file", "weights.file": str(tmp_path / "other.weights.h5")}
        create(tmp_path, "backbone_convnext_tiny", bands="3", **values)


def test_bands_that_contradict_the_images(tmp_path):
    path = patches(tmp_path, "p.tif", 2)
    with pytest.raises(OtbtfError, match="BANDS is '4', but the images given as sources have 2 bands"):
        create(tmp_path, "cnn16", bands="4", **{"source1.il": [path]})


def test_a_negative_maximum(tmp_path):
    path = patches(tmp_path, "p.tif", 1, max=[-5.0])
    with pytest.raises(OtbtfError, match="that of band 1 of source 1 is -5: choose the normalization standard"):
        create(tmp_path, "cnn16", normalization="maximum", **{"source1.il": [path]})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"out.keras": None}, "OUT_KERAS and OUT_SAVEDMODEL are missing"),
        ({"out.keras": "net.h5"}, "its name must end with .keras"),
        ({"out.keras": "/nowhere/net.keras"}, "folder /nowhere"),
    ],
)
def test_bad_outputs(tmp_path, values, message):
    given = {"template": "norm", "bands": "2", **values}
    with pytest.raises(OtbtfError) as caught:
        registry.run("CreateModel", given)
    assert message in str(caught.value)


def test_other_files_are_not_replaced(tmp_path):
    (tmp_path / "thesis.odt").write_text("years of work", encoding="utf-8")
    with pytest.raises(OtbtfError, match="OUT_SAVEDMODEL is .* which holds other files"):
        create(tmp_path, "norm", bands="2", out__savedmodel=str(tmp_path))
    assert [item.name for item in tmp_path.iterdir()] == ["thesis.odt"]


def test_a_cancelled_run_leaves_the_older_model(tmp_path):
    class Stopping(Progress):
        def cancelled(self):
            return True

    path = Path(create(tmp_path, "norm", bands="2")["out.keras"])
    before = path.read_bytes()
    with pytest.raises(Cancelled):
        create(tmp_path, "mlp", bands="2", progress=Stopping(), out__keras=str(path))
    assert path.read_bytes() == before
    assert sorted(item.name for item in tmp_path.iterdir()) == ["norm.keras", "norm.keras.json"]
