"""Images get the pixel values and the pixel size of the model's training, or the user is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx_graphs as graphs
from onnx_graphs import node, runtime_values, value, weights
from serving import Log, read, served, texture, write, write_at

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import OtbtfError, as_key, worded

MEAN, DEVIATION = [0.4, 0.5, 0.6], [0.1, 0.2, 0.3]
SCALED = {
    "model_type": json.dumps("Segmentor"),
    "class_names": json.dumps(dict(enumerate("abcd"))),
    "standardization_mean": json.dumps(MEAN),
    "standardization_std": json.dumps(DEVIATION),
}


def sized(metres: float) -> dict[str, str]:
    return {"model_type": json.dumps("Segmentor"), "resolution": json.dumps(100 * metres)}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, str]:
    pixels = texture(40, 48, 3, dtype="uint8")
    return pixels, write_at(tmp_path_factory.mktemp("scene") / "scene.tif", pixels)


def pixelwise(path: Path, **more: Any) -> str:
    """Return the model that returns its image."""
    return graphs.save(path, [node("Identity", "x", "y")], [value("x", graphs.FREE)], [value("y", None)], **more)


def test_bytes_are_scaled_as_in_training(tmp_path: Path, scene: Any) -> None:
    pixels, path = scene
    model, log = graphs.convolutions(tmp_path / "net.onnx", metadata=SCALED), Log()
    found = served(tmp_path, model, path, log=log, optim__tilesizex=14, optim__tilesizey=10)
    expected = runtime_values(model, (pixels / 255 - MEAN) / DEVIATION)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert f"scaled as in the training of the model {model}: (pixel / 255 - (0.4 0.5 0.6)) / (0.1 0.2 0.3)" in log.text
    off = served(tmp_path, model, path, images__scaling="off")
    np.testing.assert_allclose(off, runtime_values(model, pixels), rtol=1e-5, atol=1e-4)


def test_other_pixel_types_are_used_as_they_are_with_a_warning(tmp_path: Path, scene: Any) -> None:
    pixels = texture(40, 48, 3)
    path, log = write_at(tmp_path / "real.tif", pixels), Log()
    model = pixelwise(tmp_path / "net.onnx", metadata=SCALED)
    np.testing.assert_array_equal(served(tmp_path, model, path, log=log), pixels)
    (told,) = log.warnings
    assert "real.tif holds float32: its pixel values are used as they are" in told and "IMAGES_SCALING" in told
    on = served(tmp_path, model, path, images__scaling="on")
    np.testing.assert_allclose(on, (pixels / 255 - MEAN) / DEVIATION, rtol=1e-4, atol=1e-5)


def test_means_of_another_number_of_bands(tmp_path: Path, scene: Any) -> None:
    model = pixelwise(tmp_path / "net.onnx", metadata=SCALED | {"standardization_mean": "[0.4, 0.5]"})
    with pytest.raises(OtbtfError, match="scales images of 2 bands .* but its input x takes 3"):
        served(tmp_path, model, scene[1])


def test_the_sidecar_keeps_what_the_metadata_tell(tmp_path: Path, scene: Any) -> None:
    pixels, path = scene
    model = pixelwise(tmp_path / "net.onnx", metadata=SCALED | {"resolution": "1000"})
    values = {"model.dir": model, "sidecar": True, "probing": "fast"}
    properties = json.loads(Path(registry.run("DescribeModel", values, Log())["sidecar.path"]).read_text())[
        "properties"
    ]
    assert properties["otbtf:serving"]["pixel_size"] == "10.0"
    assert properties["otbtf:metadata"]["model_type"] == '"Segmentor"'
    assert [row["title"] for row in properties["mlm:output"][0]["classification:classes"]] == list("abcd")
    found = served(tmp_path, model, path)
    np.testing.assert_allclose(found, (pixels / 255 - MEAN) / DEVIATION, rtol=1e-4, atol=1e-5)


# ------------------------------------------------------------------ pixel size


def test_another_pixel_size_is_a_warning(tmp_path: Path, scene: Any) -> None:
    pixels, path = scene
    model, log = pixelwise(tmp_path / "net.onnx", metadata=sized(5)), Log()
    np.testing.assert_allclose(served(tmp_path, model, path, log=log), pixels / 255, rtol=1e-5)
    (told,) = log.warnings
    assert f"are 10 m wide, but the model {model} was trained on 5 m" in told and "IMAGES_PIXELSIZE to resample" in told
    served(tmp_path, model, path, log=(silent := Log()), images__pixelsize="ignore")
    served(tmp_path, pixelwise(tmp_path / "same.onnx", metadata=sized(10.1)), path, log=silent)
    assert not silent.warnings


@pytest.mark.parametrize("mode", ["check", "resample"])
def test_pixels_that_are_not_square_are_a_warning(tmp_path: Path, mode: str) -> None:
    path = write(tmp_path / "high.tif", texture(12, 12, 3, dtype="uint8"), (300000, 10, 0, 4900000, 0, -20))
    model, log = pixelwise(tmp_path / "net.onnx", metadata=sized(10)), Log()
    served(tmp_path, model, path, log=log, images__pixelsize=mode)
    assert ["10 m wide and 20 m high" in line for line in log.warnings] == [True]
    ignoring = Log()
    served(tmp_path, model, path, log=ignoring, images__pixelsize="ignore")
    assert not ignoring.warnings


def test_larger_pixels_are_averages(tmp_path: Path, scene: Any) -> None:
    pixels, path = scene
    model, log = pixelwise(tmp_path / "net.onnx", metadata=sized(20)), Log()
    found = served(tmp_path, model, path, log=log, images__pixelsize="resample")
    expected = pixels.astype(float).reshape(20, 2, 24, 2, 3).mean(axis=(1, 3))
    assert np.abs(found * 255 - expected).max() <= 0.51  # rounded to bytes
    assert "resampled from 10 m to 20 m" in log.text and not log.warnings


def test_no_data_does_not_mix_with_the_others(tmp_path: Path) -> None:
    pixels = np.full((8, 8, 3), 100, "uint8")
    pixels[:3] = 0
    path = write_at(tmp_path / "edge.tif", pixels, nodata=0)
    model = pixelwise(tmp_path / "net.onnx", metadata=sized(20))
    found = served(tmp_path, model, path, images__pixelsize="resample", images__scaling="off", output__bv=-1)
    assert (found[0] == -1).all() and (found[1:] == 100).all()


def test_smaller_pixels_keep_the_place(tmp_path: Path, scene: Any) -> None:
    from osgeo import gdal

    _, path = scene
    out = str(tmp_path / "out.tif")
    values = {"model.dir": pixelwise(tmp_path / "net.onnx", metadata=sized(2.5)), "source1.il": [path], "out": out}
    registry.run("TensorflowModelServe", {**values, "images.pixelsize": "resample"}, Log())
    one, two = gdal.Open(path).GetGeoTransform(), gdal.Open(out).GetGeoTransform()
    assert read(out).shape == (160, 192, 3) and two == (one[0], 2.5, 0.0, one[3], 0.0, -2.5)


def areas(pixels: np.ndarray, count: int, side: int) -> np.ndarray:
    """Means of squares of `side` parts, of which each pixel has `count` by `count`; at the edges, of the parts there are."""
    parts = pixels.astype(float).repeat(count, 0).repeat(count, 1)
    more = [(0, -size % side) for size in parts.shape[:2]]
    padded = np.pad(parts, [*more, (0, 0)], constant_values=np.nan)
    rows, columns = (size // side for size in padded.shape[:2])
    found: np.ndarray = np.nanmean(padded.reshape(rows, side, columns, side, -1), axis=(1, 3))
    return found


def test_sources_keep_their_ratio_where_new_pixels_reach_beyond_the_image(tmp_path: Path) -> None:
    from osgeo import gdal

    coarse, fine = texture(13, 11, 3, dtype="uint8"), texture(26, 22, 1, dtype="uint8", seed=1)
    paths = write_at(tmp_path / "coarse.tif", coarse), write_at(tmp_path / "fine.tif", fine, 5.0)
    nodes = [node("AveragePool", "z", "half", kernel_shape=[2, 2], strides=[2, 2]), node("Add", "x half", "y")]
    inputs = [value("x", graphs.FREE), value("z", ("n", 1, "h2", "w2"))]
    model = graphs.save(tmp_path / "net.onnx", nodes, inputs, [value("y", None)], metadata=sized(15))
    out = str(tmp_path / "out.tif")
    sources = {"source1.il": [paths[0]], "source2.il": [paths[1]]}
    given = {"model.dir": model, "images.pixelsize": "resample", "images.scaling": "off", "out": out}
    registry.run("TensorflowModelServe", {**sources, **given}, Log())
    expected = (areas(coarse, 2, 3) + areas(areas(fine, 2, 3), 1, 2))[:, :7]
    assert read(out).shape == (9, 7, 3), "the fine source ends halfway through an eighth column"
    assert np.abs(read(out) - expected).max() <= 1.01  # either is rounded to bytes
    assert gdal.Open(out).GetGeoTransform()[1::4] == (15.0, -15.0)


def refused(folder: Path, model: str, path: str, **more: Any) -> str:
    with pytest.raises(OtbtfError) as caught:
        served(folder, model, path, **more)
    return worded(caught.value.message, as_key)


def test_degrees_are_refused(tmp_path: Path) -> None:
    path = write_at(tmp_path / "degrees.tif", texture(20, 20, 3, dtype="uint8"), 0.0001, (5.0, 45.0), epsg=4326)
    model = pixelwise(tmp_path / "net.onnx", metadata=sized(10))
    told = refused(tmp_path, model, path)
    assert (
        f"The model {model} was trained on pixels of 10 m, but those of" in told
        and "are measured in degrees: reproject" in told
    )
    assert served(tmp_path, model, path, images__pixelsize="ignore").shape == (20, 20, 3)


def test_parts_share_only_files(tmp_path: Path, scene: Any) -> None:
    model = pixelwise(tmp_path / "net.onnx", metadata=sized(20))
    values = {"model.dir": model, "source1.il": [scene[1]], "out": str(tmp_path / "map.vrt"), "part": "0/2"}
    with pytest.raises(OtbtfError) as caught:
        registry.run("TensorflowModelServe", {**values, "images.pixelsize": "resample"}, Log())
    assert "IMAGES_PIXELSIZE is resample, but the parts" in worded(caught.value.message, as_key)


def test_lists_of_objects_are_no_maps(tmp_path: Path, scene: Any) -> None:
    nodes = [node("Conv", "x w", "c"), node("Reshape", "c size", "boxes")]
    import onnx

    size = onnx.numpy_helper.from_array(np.array([1, 2, -1], "int64"), "size")
    told = {"names": "{0: 'car', 1: 'ship'}", "task": "detect", "stride": "32", "imgsz": "[32, 32]"}
    inputs, outputs = [value("x", (1, 3, 32, 32))], [value("boxes", (1, 2, 1024))]
    model = graphs.save(tmp_path / "net.onnx", nodes, inputs, outputs, [weights("w", 2, 3, 1, 1), size], metadata=told)
    assert "is a list of objects (Ultralytics' task detect), not a map" in refused(tmp_path, model, scene[1])


# ------------------------------------------------------------------ several models


def test_each_of_several_models_has_its_own_scaling(tmp_path: Path, scene: Any) -> None:
    pixels, path = scene
    models = [pixelwise(tmp_path / "one.onnx", metadata=SCALED), pixelwise(tmp_path / "two.onnx")]
    found = served(tmp_path, models[0], path, model__more=[models[1]], log=(log := Log()))
    np.testing.assert_allclose(found, ((pixels / 255 - MEAN) / DEVIATION + pixels) / 2, rtol=1e-5, atol=1e-4)
    assert log.text.count("scaled as in the training of the model") == 1
    real = write_at(tmp_path / "real.tif", pixels.astype("float32"))
    served(tmp_path, models[1], real, model__more=[models[0]], log=(log := Log()))
    (told,) = log.warnings
    assert f"The model {models[0]} was trained on bytes" in told


def test_the_pixel_size_of_each_of_several_models_is_checked(tmp_path: Path, scene: Any) -> None:
    pixels, path = scene
    none, ten, twenty = (
        pixelwise(tmp_path / "none.onnx"),
        *(pixelwise(tmp_path / f"{size}.onnx", metadata=sized(size)) for size in (10, 20)),
    )
    served(tmp_path, none, path, model__more=[ten, twenty], log=(log := Log()))
    (told,) = log.warnings
    assert f"are 10 m wide, but the model {twenty} was trained on 20 m" in told
    more = {"images__pixelsize": "resample", "images__scaling": "off"}
    found = served(tmp_path, none, path, model__more=[twenty], **more)
    assert np.abs(found - pixels.astype(float).reshape(20, 2, 24, 2, 3).mean(axis=(1, 3))).max() <= 0.51
    told = refused(tmp_path, ten, path, model__more=[twenty], **more)
    assert f"models were trained on pixels of different sizes: {ten} on 10 m, {twenty} on 20 m" in told


def test_the_page_tells_what_the_images_of_the_training_were(tmp_path: Path) -> None:
    model = pixelwise(tmp_path / "net.onnx", metadata=SCALED | {"resolution": "1000", "seg_thresh": "<0.5>"})
    page = tmp_path / "page.html"
    registry.run("DescribeModel", {"model.dir": model, "out.html": str(page), "probing": "none"}, Log())
    text = page.read_text(encoding="utf-8")
    for shown in ("10 m", "(pixel / 255 - (0.4 0.5 0.6)) / (0.1 0.2 0.3)", "&lt;0.5&gt;", "<th>resolution</th>"):
        assert shown in text
    assert all(f"</td></tr><tr><th>{n}</th><td>{c}</td>" in text for n, c in enumerate("abcd") if n)
