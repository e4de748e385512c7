from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import small_models
from described_models import CLASSES, add_classes, describe, edit, serve
from osgeo import gdal

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.classes.legend import ClassEntry, raster_legend
from otbtf_qgis.core.classes.modelclasses import ModelClass
from otbtf_qgis.core.errors import ModelError
from otbtf_qgis.core.models.sidecar import Geometry, geometry_as_json, read_sidecar, sidecar_path
from otbtf_qgis.core.probing import geometryresolver


@pytest.fixture
def unforgetful(monkeypatch):
    """Nothing that was found before is remembered."""
    monkeypatch.setattr(geometryresolver, "_size_laws", {})
    monkeypatch.setattr(geometryresolver, "_tile_margins", {})


def test_what_is_written_is_read(tmp_path):
    path = small_models.save(small_models.two_resolutions(), tmp_path)
    describe(path)
    geometry = read_sidecar(path).geometries["y"]
    assert geometry.inputs == ("coarse", "fine") and geometry.ratios == (1, 2)
    assert (geometry.x.scale, geometry.x.rfield, geometry.x.efield) == (0.5, 1, 2)
    assert geometry.surroundings.stride == 1 and not geometry.surroundings.whole
    assert geometry.seen == ((3, 3), (5, 5))


@pytest.mark.parametrize(
    ("written", "template"),
    [
        ("patches of 16 x 8", "patches of {width} x {height}"),  # so that QGIS shows it in French
        ("patches of 16 x 9", "patches of 16 x 9"),  # of another program
        ("whole image only", "whole image only"),
    ],
)
def test_a_verdict_is_translatable_again(tmp_path, written, template):
    geometry = Geometry("y", ("x",), (4,), (Fraction(1),), (0,), written, patch=(16, 8))
    item = {"properties": {"otbtf:geometry": [geometry_as_json(geometry)]}}
    (tmp_path / "mlm.json").write_text(json.dumps(item), encoding="utf-8")
    (tmp_path / "saved_model.pb").touch()
    verdict = read_sidecar(str(tmp_path)).geometries["y"].verdict
    assert (str(verdict), getattr(verdict, "template", verdict)) == (written, template)


def test_where_it_lies(tmp_path):
    assert sidecar_path("/models/net.keras") == Path("/models/net.keras.json")
    (tmp_path / "saved_model.pb").touch()
    for path in (tmp_path, tmp_path / "saved_model.pb"):
        assert sidecar_path(str(path)) == tmp_path / "mlm.json"


def test_a_model_without_one(tmp_path):
    assert read_sidecar(small_models.save(small_models.pixelwise(), tmp_path)) is None


@pytest.mark.parametrize("name", ["unet", "classifier", "valid", "attention", "super_resolution"])
def test_serve_reads_it_instead_of_probing(tmp_path, name, monkeypatch, unforgetful):
    path = small_models.save(getattr(small_models, name)(), tmp_path)
    image = small_models.image(tmp_path, width=60, height=68)
    tiles = {"optim.tilesizex": 20, "optim.tilesizey": 12}
    serve(path, [image], tmp_path, **tiles)
    probed = small_models.read(str(tmp_path / "map.tif"))
    describe(path)
    geometryresolver._size_laws.clear()
    geometryresolver._tile_margins.clear()

    def fail(*_):
        raise AssertionError("it was probed")

    monkeypatch.setattr(geometryresolver, "find_size_law", fail)
    monkeypatch.setattr(geometryresolver, "find_tile_margins", fail)
    serve(path, [image], tmp_path, **tiles)
    np.testing.assert_allclose(small_models.read(str(tmp_path / "map.tif")), probed, rtol=1e-5, atol=1e-7)


def test_one_of_other_pixel_sizes_is_not_used(tmp_path, monkeypatch, unforgetful):
    """The sidecar tells of 10 m and 20 m, but the rasters are of the same size."""
    path = small_models.save(small_models.two_resolutions(), tmp_path)
    describe(path)

    def probe(*_):
        raise ModelError("it is probed")

    monkeypatch.setattr(geometryresolver, "find_size_law", probe)
    images = [small_models.image(tmp_path, "coarse", bands=2), small_models.image(tmp_path, "fine", bands=3)]
    with pytest.raises(ModelError, match="it is probed"):
        serve(path, images, tmp_path)


def test_one_of_another_model_is_an_error(tmp_path):
    path = small_models.save(small_models.unet(), tmp_path)
    describe(path)
    old = read_sidecar(path).fingerprint
    small_models.save(small_models.pixelwise(), tmp_path)
    with pytest.raises(ModelError) as caught:
        serve(path, [small_models.image(tmp_path)], tmp_path)
    assert (
        old in str(caught.value) and "Describe a model" in str(caught.value) and "net.keras.json" in str(caught.value)
    )
    assert str(caught.value).count("sha256:") == 2
    assert not (tmp_path / "map.tif").exists()
    describe(path)  # the cure
    serve(path, [small_models.image(tmp_path)], tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("scale", "2", r"the width of the output for \d+ pixels is \d+ in the sidecar, but \d+ in the model"),
        ("rfield", 5, "is 4 in the sidecar, but refused in the model"),
        ("efield", 2, "the width of the output for 4 pixels is 2 in the sidecar, but 4 in the model"),
        ("efield", 0, "cannot be read .*must be positive"),
        ("scale", "nonsense", "cannot be read"),
    ],
)
def test_numbers_that_cannot_be_right_are_an_error(tmp_path, key, value, message, unforgetful):
    path = small_models.save(small_models.unet(), tmp_path)
    describe(path)
    edit(path, lambda properties: properties["otbtf:geometry"][0]["x"].update({key: value}))
    with pytest.raises(ModelError, match=message) as caught:
        serve(path, [small_models.image(tmp_path)], tmp_path)
    assert "Delete the sidecar" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"properties": {"otbtf:geometry": [{}]}}', "\0\0"])
def test_one_that_is_damaged_is_an_error(tmp_path, text):
    path = small_models.save(small_models.pixelwise(), tmp_path)
    sidecar_path(path).write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=r"net\.keras\.json cannot be read .*Delete the sidecar"):
        read_sidecar(path)


def test_one_of_another_program_gives_its_classes(tmp_path):
    """An MLM item without OTBTF's numbers: classification 1.1 has no title."""
    path = small_models.save(small_models.labels(), tmp_path)
    rows = [{"value": 1, "description": "Forest", "name": "forest"}, {"value": 2, "name": "crops"}]
    item = {"properties": {"mlm:output": [{"name": "label", "classification:classes": rows}]}}
    sidecar_path(path).write_text(json.dumps(item), encoding="utf-8")
    assert read_sidecar(path).classes == {"label": (ModelClass(1, "Forest"), ModelClass(2, "crops"))}
    results = serve(path, [small_models.image(tmp_path)], tmp_path)
    assert [row["name"] for row in results["classes"]] == ["Forest", "crops"]


# ------------------------------------------------------- classes in the map


def legend(path):
    return {value: entry for value, entry in raster_legend(gdal.Open(path)).items() if entry.name}


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "int64"])
def test_the_map_carries_names_and_colours(tmp_path, dtype):
    path = small_models.save(small_models.labels(dtype), tmp_path)
    describe(path)
    add_classes(path)
    results = serve(path, [small_models.image(tmp_path)], tmp_path)
    assert results["classes"] == [{"value": v, "name": n, "color": c} for v, n, c in CLASSES]
    assert legend(results["out"]) == {value: ClassEntry(name, color) for value, name, color in CLASSES}
    expected = small_models.read(str(tmp_path / "image.tif")).argmax(axis=0)
    np.testing.assert_array_equal(small_models.read(results["out"])[0], expected)


def test_values_beyond_a_colour_table(tmp_path):
    path = small_models.save(small_models.labels("uint16"), tmp_path)
    describe(path)
    add_classes(path, [(0, "none", "#000000"), (4000, "many", "#ff0000")])
    out = serve(path, [small_models.image(tmp_path)], tmp_path)["out"]
    assert legend(out) == {0: ClassEntry("none", "#000000"), 4000: ClassEntry("many", "#ff0000")}


def test_probabilities_are_named_by_their_class(tmp_path):
    import keras

    x = keras.Input((None, None, 3), name="x")
    path = small_models.save(keras.Model(x, keras.layers.Softmax(name="p")(x)), tmp_path)
    describe(path)
    add_classes(path)
    results = serve(path, [small_models.image(tmp_path)], tmp_path)
    dataset = gdal.Open(results["out"])
    assert [dataset.GetRasterBand(band).GetDescription() for band in (1, 2, 3)] == ["open water", "forêt", "crops"]
    assert "classes" not in results


def test_describing_again_keeps_the_classes(tmp_path):
    path = small_models.save(small_models.labels(), tmp_path)
    describe(path)
    add_classes(path)
    describe(path)
    assert [item.name for item in read_sidecar(path).classes["label"]] == ["open water", "forêt", "crops"]


def test_describing_a_changed_model_warns_of_the_old_sidecar(tmp_path):
    class Warned(Progress):
        messages: list[str] = []

        def warning(self, message):
            self.messages.append(message)

    path = small_models.save(small_models.unet(), tmp_path)
    describe(path)
    small_models.save(small_models.pixelwise(), tmp_path)
    registry.run("DescribeModel", {"model.dir": path}, Warned())
    assert any("does not belong to its model" in message for message in Warned.messages)
