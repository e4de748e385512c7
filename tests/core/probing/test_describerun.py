from __future__ import annotations

import html.parser
import json
import re
from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import small_models
from osgeo import gdal

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled, ModelError, ParameterError
from otbtf_qgis.core.models.sidecar import read_sidecar


def describe(model_path, tmp_path, **more):
    values = {"model.dir": model_path, "out.json": str(tmp_path / "d.json"), "out.html": str(tmp_path / "d.html")}
    results = registry.run("DescribeModel", {**values, **more})
    with open(tmp_path / "d.json", encoding="utf-8") as file:
        return results, json.load(file)


# By hand from the layers: model, verdict, receptive field, expression field, scale, true receptive fields.
KNOWN = [
    ("pixelwise", "pixel-wise", 1, 1, "1", [1]),
    ("unet", "fully convolutional", 4, 4, "1", [13]),
    ("valid", "fully convolutional", 12, 1, "2", [12]),
    ("super_resolution", "fully convolutional", 1, 4, "1/4", [3]),
    ("two_resolutions", "fully convolutional", 1, 2, "1/2", [3, 5]),  # coarse first: by the inputs' names
    ("attention", "whole image only", 1, 1, "1", []),
]


@pytest.mark.parametrize(("name", "verdict", "rfield", "efield", "scale", "seen"), KNOWN, ids=[k[0] for k in KNOWN])
def test_the_geometry_of_known_models(tmp_path, name, verdict, rfield, efield, scale, seen):
    results, item = describe(small_models.save(getattr(small_models, name)(), tmp_path), tmp_path)
    (geometry,) = item["properties"]["otbtf:geometry"]
    assert results["verdict"] == geometry["verdict"] == verdict
    for axis in "xy":
        assert (geometry[axis]["rfield"], geometry[axis]["efield"]) == (rfield, efield)
        assert Fraction(geometry[axis]["scale"]) == Fraction(scale)
    assert geometry.get("true_receptive_fields", []) == [[side, side] for side in seen]
    given = dict(word.split("=") for word in results["parameters"].split())  # the same law, maybe of a larger region
    crop = int(given["SOURCE1_RFIELDX"]) - int(given["OUTPUT_EFIELDX"]) * Fraction(given["OUTPUT_SPCSCALE"])
    assert crop == rfield - efield * Fraction(scale)


def test_the_pixel_size_of_a_second_source_is_found(tmp_path):
    _, item = describe(small_models.save(small_models.two_resolutions(), tmp_path), tmp_path)
    (geometry,) = item["properties"]["otbtf:geometry"]
    assert (geometry["inputs"], geometry["bands"], geometry["ratios"]) == (["coarse", "fine"], [2, 3], ["1", "2"])


def test_the_true_field_is_that_of_single_pixels(tmp_path):
    """Each column is changed by itself; what an output sees lies between the first and the last that changes it."""
    import keras

    keras.utils.set_random_seed(3)
    model = small_models.unet()
    image = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
    base = model.predict(image, verbose=0)
    sees = np.zeros((32, 32), bool)  # output column, input column
    for column in range(32):
        other = image.copy()
        other[:, :, column] = np.random.default_rng(column).normal(0, 1e4, (32, 3))
        sees[:, column] = (model.predict(other, verbose=0) != base).any(axis=(0, 1, 3))
    largest = max(int(np.ptp(np.flatnonzero(sees[output]))) + 1 for output in range(14, 18))
    _, item = describe(small_models.save(model, tmp_path), tmp_path)
    assert item["properties"]["otbtf:geometry"][0]["true_receptive_fields"] == [[largest, largest]]


def test_a_field_that_is_wider_than_high(tmp_path):
    import keras

    x = keras.Input((None, None, 2), name="x")
    model = keras.Model(x, keras.layers.Conv2D(1, (3, 9), padding="same", name="y")(x))
    _, item = describe(small_models.save(model, tmp_path), tmp_path)
    assert item["properties"]["otbtf:geometry"][0]["true_receptive_fields"] == [[9, 3]]


def test_fast_probing_leaves_out_the_true_field_only(tmp_path, unet_path):
    full, fast = (describe(unet_path, tmp_path, probing=word)[1]["properties"] for word in ("full", "fast"))
    (whole,), (less,) = full["otbtf:geometry"], fast["otbtf:geometry"]
    assert whole.pop("true_receptive_fields") == [[13, 13]]
    assert less == whole


def test_without_probing_only_inputs_and_outputs_are_described(tmp_path, unet_path):
    full, none = (describe(unet_path, tmp_path, probing=word) for word in ("full", "none"))
    assert (none[0]["verdict"], none[0]["parameters"]) == ("not probed", "")
    assert not none[1]["properties"].get("otbtf:geometry")
    for key in ("mlm:input", "mlm:output"):
        names = [[each["name"] for each in item[1]["properties"][key]] for item in (full, none)]
        assert names[0] == names[1]
    assert "PROBING is none" in (tmp_path / "d.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("more", [{"sidecar": "on"}, {"source1.il": ["a.tif"]}])
def test_what_needs_probing_is_refused_without_it(unet_path, more):
    with pytest.raises(ParameterError, match="PROBING is none, but"):
        registry.run("DescribeModel", {"model.dir": unet_path, "probing": "none", **more})


def test_a_model_of_patches(tmp_path):
    results, item = describe(small_models.save(small_models.classifier(), tmp_path), tmp_path)
    assert results["verdict"] == "patches of 16 x 16"
    assert item["properties"]["otbtf:geometry"][0]["patch"] == [16, 16]
    assert "MODEL_FULLYCONV=off" in results["parameters"]


def test_unknown_bands_are_said_and_not_probed(tmp_path):
    import keras

    x = keras.Input((None, None, None), name="x")
    path = small_models.save(keras.Model(x, keras.layers.Rescaling(2.0, name="y")(x)), tmp_path)
    results, item = describe(path, tmp_path)
    assert results["verdict"] == "not probed" and item["properties"]["otbtf:geometry"] == []
    assert (
        "does not fix the number of bands of its input x. To probe it, describe it with rasters (SOURCE1_IL, ...)"
        in (tmp_path / "d.html").read_text(encoding="utf-8")
    )
    results, item = describe(path, tmp_path, **{"source1.il": [small_models.image(tmp_path)]})
    assert (results["verdict"], results["fits"]) == ("pixel-wise", "yes")
    assert item["properties"]["otbtf:geometry"][0]["bands"] == [3]


def test_a_user_placeholder_that_is_missing_is_said(tmp_path):
    import keras

    x, factor = keras.Input((None, None, 3), name="x"), keras.Input((), name="factor")
    y = keras.layers.Multiply(name="y")([x, keras.layers.Reshape((1, 1, 1))(factor)])
    path = small_models.save(keras.Model([x, factor], y), tmp_path)
    results, _ = describe(path, tmp_path)
    assert results["verdict"] == "not probed"
    assert "MODEL_USERPLACEHOLDERS" in (tmp_path / "d.html").read_text(encoding="utf-8")
    results, item = describe(path, tmp_path, **{"model.userplaceholders": "factor=2.5"})
    assert results["verdict"] == "pixel-wise"
    assert item["properties"]["otbtf:geometry"][0]["placeholders"] == {"factor": [2.5]}


def test_a_layer_is_described_by_its_name(tmp_path):
    _, item = describe(small_models.save(small_models.unet(), tmp_path), tmp_path, **{"output.names": "two logits"})
    two, logits = item["properties"]["otbtf:geometry"]
    assert (two["output"], two["x"]["scale"], two["true_receptive_fields"]) == ("two", "2", [[5, 5]])
    assert (logits["output"], logits["true_receptive_fields"]) == ("logits", [[13, 13]])


def test_an_unknown_layer_names_the_nearest(tmp_path):
    path = small_models.save(small_models.unet(), tmp_path)
    with pytest.raises(ModelError, match=r"no output 'logit'.*Did you mean logits\?"):
        describe(path, tmp_path, **{"output.names": "logit"})


# ------------------------------------------------------------------ rasters


@pytest.fixture(scope="module")
def unet_path(tmp_path_factory):
    return small_models.save(small_models.unet(), tmp_path_factory.mktemp("unet"))


def test_rasters_that_fit(tmp_path, unet_path):
    path = small_models.image(tmp_path)
    dataset = gdal.Open(path, gdal.GA_Update)
    for band, name in enumerate(("red", "green", "blue"), 1):
        dataset.GetRasterBand(band).SetDescription(name)
    dataset = None
    results, item = describe(unet_path, tmp_path, **{"source1.il": [path]})
    assert (results["fits"], results["misfits"]) == ("yes", "")
    assert item["properties"]["mlm:input"][0]["bands"] == ["red", "green", "blue"]
    assert item["properties"]["bands"] == [{"name": "red"}, {"name": "green"}, {"name": "blue"}]


MISFITS = [
    ({"bands": 5}, {}, ["expects 3 bands, but source 1 has 5"]),
    ({}, {"bands": 2}, ["uses images of 1 source, but 2 are given (x)"]),
    ({}, {"epsg": 4326}, ["EPSG:32631", "EPSG:4326"]),
]


@pytest.mark.parametrize(("one", "two", "words"), MISFITS, ids=["bands", "sources", "crs"])
def test_rasters_that_do_not_fit(tmp_path, unet_path, one, two, words):
    sources = {"source1.il": [small_models.image(tmp_path, "one", **one)]}
    if two:
        sources["source2.il"] = [small_models.image(tmp_path, "two", **two)]
    results, _ = describe(unet_path, tmp_path, **sources)
    assert results["fits"] == "no"
    assert all(word in results["misfits"] for word in words), results["misfits"]
    assert results["verdict"] == "fully convolutional"  # found all the same, on random images
    assert "do not fit" in (tmp_path / "d.html").read_text(encoding="utf-8")


def test_a_raster_smaller_than_the_receptive_field(tmp_path):
    path = small_models.save(small_models.valid(), tmp_path)
    small = small_models.image(tmp_path, width=11, height=40)
    results, _ = describe(path, tmp_path, **{"source1.il": [small]})
    assert results["fits"] == "no" and "12 pixels along x, but the image has only 11" in results["misfits"]


def test_results_and_page_name_parameters_by_their_keys(tmp_path):
    """Results and page reach the user as they are: no mention of a field is left in them."""
    path = small_models.save(small_models.classifier(), tmp_path)
    results, _ = describe(path, tmp_path)
    assert "SOURCE1_RFIELDX=" in results["parameters"] and "MODEL_FULLYCONV=off" in results["parameters"]
    two = [small_models.image(tmp_path, "two", bands=2)]
    other, _ = describe(small_models.save(pair(), tmp_path), tmp_path, **{"source1.il": two, "source2.il": two})
    assert "SOURCE1_PLACEHOLDER=a SOURCE2_PLACEHOLDER=b" in other["misfits"]
    for text in (results["parameters"], other["misfits"], (tmp_path / "d.html").read_text(encoding="utf-8")):
        assert "\ue000" not in text and "sources[" not in text


def pair():
    import keras

    a, b = (keras.Input((None, None, bands), name=name) for name, bands in (("a", 3), ("b", 2)))
    return keras.Model([a, b], keras.layers.Concatenate(name="y")([a, b]), name="pair")


def test_a_source_without_rasters():
    with pytest.raises(ParameterError, match="SOURCE1_IL is missing"):
        registry.run("DescribeModel", {"model.dir": "net.keras", "source1.placeholder": "x"})


def test_a_raster_that_is_missing(tmp_path, unet_path):
    results, _ = describe(unet_path, tmp_path, **{"source1.il": [str(tmp_path / "gone.tif")]})
    assert results["fits"] == "no" and "gone.tif" in results["misfits"]


# -------------------------------------------------------------------- files


def label_raster(folder):
    path = str(folder / "labels.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(path, 4, 4, 1, gdal.GDT_Byte)
    colors = gdal.ColorTable()
    for value, color in enumerate(((0, 0, 255, 255), (0, 128, 0, 255), (255, 200, 0, 255))):
        colors.SetColorEntry(value, color)
    dataset.GetRasterBand(1).SetColorTable(colors)
    dataset.GetRasterBand(1).SetCategoryNames(["open water", "forêt", "<script>x</script>"])
    dataset = None
    return path


DATA_TYPES = re.compile(r"u?int(8|16|32|64)|float(16|32|64)|c(int(16|32)|float(32|64))|other")
TASKS = {"classification", "semantic-segmentation", "super-resolution"}


def assert_is_mlm(item):
    """What the schemas of MLM 1.5.0, its parts and the classification extension ask for."""
    assert item["type"] == "Feature" and item["stac_version"] == "1.1.0" and item["geometry"] is None
    assert {"id", "links", "assets"} <= set(item)
    properties = item["properties"]
    assert "https://stac-extensions.github.io/mlm/v1.5.0/schema.json" in item["stac_extensions"]
    assert {key.split(":")[0] for key in properties if ":" in key} == {"mlm", "otbtf"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", properties["datetime"])
    assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]", properties["mlm:name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", properties["mlm:framework_version"])
    assert properties["mlm:framework"] in ("Keras", "TensorFlow") and properties["mlm:architecture"]
    assert set(properties["mlm:tasks"]) <= TASKS
    for entry in properties["mlm:input"]:
        assert entry["name"] and isinstance(entry["bands"], list)
        assert_is_structure(entry["input"])
        if entry["bands"]:
            assert set(entry["bands"]) <= {band["name"] for band in properties["bands"]}
    for entry in properties["mlm:output"]:
        assert entry["name"] and set(entry["tasks"]) <= set(properties["mlm:tasks"])
        assert_is_structure(entry["result"])
        for row in entry.get("classification:classes", []):
            assert "https://stac-extensions.github.io/classification/v2.0.0/schema.json" in item["stac_extensions"]
            assert isinstance(row["value"], int) and re.fullmatch(r"[0-9A-Za-z_-]+", row["name"])
            assert row["description"] and re.fullmatch(r"[0-9A-F]{6}", row.get("color_hint", "000000"))
    asset = item["assets"]["model"]
    assert "mlm:model" in asset["roles"] and asset["href"] and asset["mlm:artifact_type"]


def assert_is_structure(structure):
    assert len(structure["shape"]) == len(structure["dim_order"]) == len(set(structure["dim_order"])) > 0
    assert all(isinstance(size, int) and size >= -1 for size in structure["shape"])
    assert all(re.fullmatch(r"[a-z_-]+", name) for name in structure["dim_order"])
    assert DATA_TYPES.fullmatch(structure["data_type"])


@pytest.mark.parametrize("name", ["labels", "unet", "classifier", "super_resolution"])
def test_the_json_is_an_mlm_item(tmp_path, name):
    _, item = describe(
        small_models.save(getattr(small_models, name)(), tmp_path, "3 nets"), tmp_path, classes=label_raster(tmp_path)
    )
    assert_is_mlm(item)


def test_the_classes_of_a_label_raster(tmp_path):
    path = small_models.save(small_models.labels(), tmp_path)
    _, item = describe(path, tmp_path, classes=label_raster(tmp_path), sidecar="on")
    assert item["properties"]["mlm:tasks"] == ["semantic-segmentation"]
    rows = item["properties"]["mlm:output"][0]["classification:classes"]
    assert [(row["value"], row["title"], row["color_hint"]) for row in rows] == [
        (0, "open water", "0000FF"),
        (1, "forêt", "008000"),
        (2, "<script>x</script>", "FFC800"),
    ]
    (first, *_) = read_sidecar(path).classes["label"]
    assert (first.value, first.name, first.color) == (0, "open water", "#0000ff")
    _, again = describe(path, tmp_path)  # without CLASSES: those of the sidecar
    assert again["properties"]["mlm:output"][0]["classification:classes"] == rows


def test_a_raster_without_classes_is_no_legend(tmp_path):
    path = small_models.save(small_models.labels(), tmp_path)
    with pytest.raises(ParameterError, match="CLASSES is .*image.tif, but names no classes"):
        describe(path, tmp_path, classes=small_models.image(tmp_path))


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_self_contained_and_escaped(tmp_path):
    folder = tmp_path / "a <b> & 'c'"
    folder.mkdir()
    path = small_models.save(small_models.unet(), folder, "<i>net")
    describe(path, tmp_path, classes=label_raster(tmp_path), **{"source1.il": [small_models.image(folder)]})
    text = (tmp_path / "d.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not {"script", "i", "img", "link"} & set(page.tags)
    assert page.tags.count("svg") == 2 and "http" not in text.replace("http://www.w3.org/2000/svg", "")
    words = " ".join(page.text)
    for expected in ("<i>net.keras", "<script>x</script>", "forêt", "13 x 13 pixels", "one output depends on 13 x 13"):
        assert expected in words


def test_a_file_that_cannot_be_written_fails_first(tmp_path):
    with pytest.raises(ParameterError, match=r"OUT_JSON.*nowhere"):
        registry.run("DescribeModel", {"model.dir": "x.keras", "out.json": str(tmp_path / "nowhere" / "d.json")})


def test_cancelling_leaves_nothing(tmp_path, unet_path):
    class Cancelling(Progress):
        def cancelled(self):
            return True

    with pytest.raises(Cancelled):
        registry.run("DescribeModel", {"model.dir": unet_path, "out.html": str(tmp_path / "d.html")}, Cancelling())
    assert list(tmp_path.iterdir()) == []
