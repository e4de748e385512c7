"""What dialogs say of a model: how a run applies it by default, and what it cannot do."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from otbtf_qgis.core.classes.modelclasses import ModelClass
from otbtf_qgis.core.models.detectorsummary import DetectorSummary, detector_summary
from otbtf_qgis.core.models.modelinterface import TensorInfo
from otbtf_qgis.core.models.modelsummary import ModelSummary
from otbtf_qgis.core.models.servingdefaults import ServingDefaults, SourceDefaults
from otbtf_qgis.core.models.sidecar import AxisNumbers, Geometry, Sidecar, Surroundings
from otbtf_qgis.gui.modeltext import of_model

AXIS = AxisNumbers(Fraction(4), 4, 16, 1)
AROUND = Surroundings((64, 64), False, 4, (1, 1), (1, 1))
GEOMETRY = Geometry("y", ("x",), (3,), (Fraction(1),), (0,), "fully convolutional", x=AXIS, y=AXIS, surroundings=AROUND)
IMAGE = TensorInfo("x", (None, None, None, 3), "float32")
MAP = TensorInfo("y", (None, None, None), "uint8")


def model(*inputs: TensorInfo, defaults: ServingDefaults | None = None, **described: object) -> ModelSummary:
    sidecar = replace(Sidecar("", "", ""), serving_defaults=defaults, **described)
    return ModelSummary("Keras", inputs, (MAP,), sidecar)


def test_a_model_that_its_defaults_apply_to_patches() -> None:
    regions = model(IMAGE, geometries={"y": GEOMETRY})
    told = of_model(regions, "y", True, True)
    assert "fully convolutional" in told
    assert "pixel size 4 times that of x" in told
    assert "receptive field of at most" in told
    off = ServingDefaults(fullyconv="off", spcscale=Fraction(1), sources={"x": SourceDefaults((16, 16))})
    told = of_model(model(IMAGE, defaults=off, geometries={"y": GEOMETRY}), "y", True, True)
    assert "patches of 16 x 16, one value per pixel" in told
    assert not any(words in told for words in ("fully convolutional", "times that", "receptive field", "Not known"))
    coarse = model(IMAGE, defaults=replace(off, spcscale=Fraction(2)), geometries={"y": GEOMETRY})
    told = of_model(coarse, "y", True, True)
    assert "one value every 2 pixels" in told
    assert "pixel size 2 times that of x" in told


@pytest.mark.parametrize("shape", [(), (5,), (None, 5)])
def test_a_model_without_images(shape: tuple[int | None, ...]) -> None:
    alone = model(TensorInfo("n", shape, "float32"))
    told = of_model(alone, "y", True, True)
    assert "takes no images" in told
    assert "#b00020" in told
    assert "before Run" not in told
    assert "takes no images" not in of_model(alone, "y", False, True)


def test_an_output_that_sees_no_image() -> None:
    constant = model(IMAGE, geometries={"y": replace(GEOMETRY, inputs=(), bands=(), ratios=(), offsets=())})
    assert "The output y of the model takes no images" in of_model(constant, "y", True, True)


def test_long_names_of_classes_are_cut() -> None:
    long = model(IMAGE, classes={"y": (ModelClass(1, "forest " * 50, ""), ModelClass(2, "bare soil", ""))})
    told = of_model(long, "y", True, True)
    assert "forest&nbsp;forest" in told
    assert "…" in told
    assert told.count("forest") == 5
    assert "bare&nbsp;soil" in told


def detector(**described: object) -> tuple[ModelSummary, DetectorSummary]:
    """A model of the template `detector`, with a further map."""
    maps = TensorInfo("detection_maps", (None, None, None, 6), "float32")
    known = replace(model(IMAGE, geometries={"detection_maps": GEOMETRY}, **described), outputs=(maps, MAP))
    found = detector_summary(known, "/nowhere/model")
    assert found is not None
    return known, found


def test_a_detector() -> None:
    summary, found = detector(classes={"detection_maps": (ModelClass(1, "tree", "#00ff00"),)})
    told = of_model(summary, "detection_maps", False, True, found, True)
    assert "Detector</td><td>centernet (the template detector): boxes; tiles of any size" in told
    assert "<b>x</b>: 3 bands, float32" in told
    assert "tree" in told
    left_out = ("receptive field", "fully convolutional", "6 bands", "Not recognised", "Detect objects", "Output")
    assert not any(words in told for words in left_out)


def test_a_detector_where_maps_are_made() -> None:
    summary, found = detector()
    told = of_model(summary, "detection_maps", True, True, found)
    assert "A detector: use “Detect objects”." in told
    assert "before Run" not in told
    told = of_model(summary, "label", True, True, found)  # a layer of it may be served
    assert "Detect objects" not in told
    assert "boxes; tiles of any size" in told
    assert "<b>detection_maps</b>: 6 bands" in told


def test_a_model_that_is_no_detector() -> None:
    maps = replace(model(IMAGE), outputs=(TensorInfo("scores", (None, None, None, 2), "float32"),))
    told = of_model(maps, "scores", False, True, None, True)
    assert "Not recognised as a detector: it returns maps, which “Serve a model (apply it to images)” writes." in told
    assert "“Detector&#x27;s outputs”" in told
    numbers = replace(model(IMAGE), outputs=(TensorInfo("scores", (None, 2), "float32"),))
    assert "Not recognised as a detector by names and shapes" in of_model(numbers, "scores", False, True, None, True)
    assert "Not recognised" not in of_model(maps, "scores", False, True)


def test_classes_without_a_colour_have_no_swatch() -> None:
    classes = (ModelClass(1, "tree", ""), ModelClass(2, "car", "#ff0000"))
    told = of_model(model(IMAGE, classes={"y": classes}), "y", True, True)
    assert told.count("background-color") == 1
    assert "background-color: #ff0000" in told
    assert "tree" in told
