"""What a user can get wrong when serving: the message names the value, the cause and the cure; nothing is written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import serving
from osgeo import gdal

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import ModelError, OtbtfError, ParameterError, RasterError
from otbtf_qgis.core.parameters.parsing import keys

ROTATED = (300000.0, 10.0, 2.0, 4000000.0, 2.0, -10.0)
ELSEWHERE = (900000.0, 10.0, 0.0, 4000000.0, 0.0, -10.0)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rasters, and things that are none; models, and things that are none."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("files")
    two = serving.noise(40, 50, 2)
    serving.write(folder / "two.tif", two)
    serving.write(folder / "small.tif", two[:10, :10])
    serving.write(folder / "three.tif", serving.noise(40, 50, 3))
    serving.write(folder / "shifted.tif", two, transform=(300003.0, 10.0, 0.0, 4000000.0, 0.0, -10.0))
    serving.write(folder / "zone33.tif", two, epsg=32633)
    serving.write(folder / "no_crs.tif", two, epsg=None)
    serving.write(folder / "rotated.tif", two, transform=ROTATED)
    serving.write(folder / "elsewhere.tif", two, transform=ELSEWHERE)
    (folder / "text.tif").write_text("not pixels")
    (folder / "text.keras").write_text("not a network")
    (folder / "net.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    (folder / "empty").mkdir()
    (folder / "damaged").mkdir()
    (folder / "damaged" / "saved_model.pb").write_text("not a graph")

    def with_rate(x: Any, rate: Any) -> dict[str, Any]:
        return {"low": tf.cast(x, "float32") * rate, "high": tf.cast(x, "float32") + rate}

    serving.save(folder / "net", with_rate, x=([None, None, None, 2], "float32"), rate=([], "float32"))
    serving.save(folder / "classifier", lambda x: {"y": tf.reduce_mean(x, [1, 2])}, x=([None, 16, 16, 2], "float32"))
    serving.save(
        folder / "pair",
        lambda a, b: {"y": a + b},
        a=([None, None, None, 2], "float32"),
        b=([None, None, None, 2], "float32"),
    )
    serving.convolutions(folder / "crop", 2, dtype="float32")
    return folder


GOOD = {"source1.il": "two.tif", "model.dir": "net", "model.userplaceholders": "rate=2"}
PAIR = {"source1.il": "two.tif", "model.dir": "pair", "model.userplaceholders": ""}
PATCHES = {"model.dir": "classifier", "model.userplaceholders": ""}
CROP = {"model.dir": "crop", "model.userplaceholders": ""}

# What differs from a good run (file names stand for those above), the error, and what its message says.
BAD: dict[str, tuple[dict[str, Any], type[OtbtfError], tuple[str, ...]]] = {
    "unknown key": ({"source1.rfield": 3}, ParameterError, ("source1.rfield", "Did you mean source1.rfield")),
    "no image": ({"source1.il": []}, ParameterError, ("SOURCE1_IL", "missing")),
    "a gap between sources": ({"source3.il": "two.tif"}, ParameterError, ("SOURCE3_IL", "SOURCE2", "without gaps")),
    "no number": ({"source1.rfieldx": "abc"}, ParameterError, ("SOURCE1_RFIELDX", "'abc'", "whole number")),
    "a number too low": ({"memory": 1}, ParameterError, ("MEMORY", "1", "at least 64")),
    "no choice": ({"model.fullyconv": "yes"}, ParameterError, ("MODEL_FULLYCONV", "'yes'", "auto, on, off")),
    "memory twice": ({"memory": 100, "ram": 200}, ParameterError, ("MEMORY", "RAM", "100", "200", "one of them")),
    "no such device": ({"device": "gpu:7"}, ParameterError, ("DEVICE", "'gpu:7'", "auto, cpu:0")),
    # models
    "no model at that path": ({"model.dir": "nowhere"}, ModelError, ("nowhere", "does not exist", "check the path")),
    "a folder that is no model": (
        {"model.dir": "empty"},
        ModelError,
        ("empty", "is not a SavedModel", "saved_model.pb"),
    ),
    "a damaged model": ({"model.dir": "damaged"}, ModelError, ("saved_model.pb", "damaged")),
    "text as a model": ({"model.dir": "text.keras"}, ModelError, ("text.keras",)),
    "an .h5 file": ({"model.dir": "net.h5"}, ModelError, ("net.h5", ".keras")),
    "a raster as a model": ({"model.dir": "two.tif"}, ModelError, ("two.tif", ".keras")),
    "unknown tags": ({"model.tagsets": "train"}, ModelError, ("tags train", "MODEL_TAGSETS", "serve")),
    "unknown input": ({"source1.placeholder": "xx"}, ModelError, ("input 'xx'", "rate, x")),
    "unknown output": ({"output.names": "hihg"}, ModelError, ("output 'hihg'", "high, low", "Did you mean high")),
    "wrong number of bands": ({"source1.il": "three.tif"}, ModelError, ("expects 2 bands", "has 3", "three.tif")),
    "an input that nothing feeds": (
        {"model.userplaceholders": ""},
        ModelError,
        ("rate", "MODEL_USERPLACEHOLDERS", "name=value"),
    ),
    "more sources than inputs": ({"source2.il": "two.tif"}, ModelError, ("1 source, but 2 are given", "x", "remove")),
    "fixed patches as regions": (
        {**PATCHES, "model.fullyconv": "on"},
        ModelError,
        ("16 x 16", "not fully convolutional", "MODEL_FULLYCONV=off"),
    ),
    "patches of another size": (
        {**PATCHES, "source1.rfieldx": 8, "source1.rfieldy": 8},
        ParameterError,
        ("SOURCE1_RFIELDX is 8", "16", "SOURCE1_RFIELDX=16"),
    ),
    # placeholders
    "a placeholder without a value": ({"model.userplaceholders": "rate"}, ParameterError, ("'rate'", "name=value")),
    "a placeholder that is no number": (
        {"model.userplaceholders": "rate=fast"},
        ParameterError,
        ("'rate=fast'", "name=value"),
    ),
    "an open parenthesis": ({"model.userplaceholders": "rate=(1, 2"}, ParameterError, ("(1, 2", "name=value")),
    "an unknown placeholder": ({"model.userplaceholders": "speed=2"}, ModelError, ("'speed'", "rate, x")),
    # images
    "no such raster": ({"source1.il": "nowhere.tif"}, RasterError, ("nowhere.tif", "Check the path")),
    "text as a raster": ({"source1.il": "text.tif"}, RasterError, ("text.tif", "Check the path")),
    "a stack of two sizes": (
        {"source1.il": ["two.tif", "small.tif"]},
        RasterError,
        ("small.tif has 10 x 10", "50 x 40", "another source"),
    ),
    "a stack of two grids": ({"source1.il": ["two.tif", "shifted.tif"]}, RasterError, ("shifted.tif is elsewhere",)),
    "a stack of two coordinate systems": (
        {"source1.il": ["two.tif", "zone33.tif"]},
        RasterError,
        ("EPSG:32633", "EPSG:32654", "warp"),
    ),
    "two coordinate systems": (
        {**PAIR, "source2.il": "zone33.tif"},
        RasterError,
        ("two.tif is in EPSG:32654", "zone33.tif in EPSG:32633", "warp"),
    ),
    "no coordinate system": ({"source1.il": "no_crs.tif"}, RasterError, ("no_crs.tif has no coordinate", "assign")),
    "one of two without": ({**PAIR, "source2.il": "no_crs.tif"}, RasterError, ("no_crs.tif has no coordinate",)),
    "rotated": ({"source1.il": "rotated.tif"}, RasterError, ("rotated.tif", "rotated", "warp")),
    "no overlap": (
        {**PAIR, "source2.il": "elsewhere.tif"},
        ParameterError,
        ("the sources overlap by less", "choose rasters"),
    ),
    "a field larger than the image": (
        {**CROP, "source1.rfieldx": 71, "source1.rfieldy": 7},
        ParameterError,
        ("source 1 is 71 pixels along x", "only 50", "SOURCE1_RFIELDX"),
    ),
    "an image smaller than the field that was found": (
        {**PATCHES, "source1.il": "small.tif"},
        ParameterError,
        ("source 1 is 16 pixels along x", "only 10", "PADDING"),
    ),
    # outputs
    "a box outside": ({"out.box": "40:30:20:5"}, ParameterError, ("OUT_BOX", "40:30:20:5", "50 x 40")),
    "an empty box": ({"out.box": "0:0:0:5"}, ParameterError, ("OUT_BOX", "0:0:0:5")),
    "no box": ({"out.box": "1,2,3,4"}, ParameterError, ("OUT_BOX", "'1,2,3,4'", "startx:starty:sizex:sizey")),
    "an extent outside": ({"extent": "0,10,0,10"}, ParameterError, ("EXTENT", "0,10,0,10", "x 300000 to 300500")),
    "an extent turned round": (
        {"extent": "300100,300000,3999700,3999800"},
        ParameterError,
        ("EXTENT", "xmin must be below xmax"),
    ),
    "an extent in no coordinate system": (
        {"extent": "300000,300100,3999700,3999800 [EPSG:1]"},
        ParameterError,
        ("EXTENT", "'EPSG:1'"),
    ),
    "a box and an extent": ({"out.box": "0:0:1:1", "extent": "0,1,0,1"}, ParameterError, ("OUT_BOX and EXTENT",)),
    "a folder that is missing": (
        {"out": "missing/out.tif"},
        ParameterError,
        ("missing", "does not exist", "create it"),
    ),
    "a virtual raster": ({"out": "out.vrt"}, ParameterError, ("out.vrt", "Virtual Raster", ".tif")),
    "no format": ({"out": "out.xyzzy"}, ParameterError, ("'xyzzy'", "OUT_FORMAT")),
    "no such format": ({"out.format": "Foo"}, ParameterError, ("OUT_FORMAT", "'Foo'")),
    "a format that cannot be written": ({"out.format": "VRT"}, ParameterError, ("OUT_FORMAT", "'VRT'", "GTiff")),
    "no creation option": ({"out.co": "TILED"}, ParameterError, ("OUT_CO", "'TILED'", "NAME=VALUE")),
    "a type that a format cannot hold": ({"out": "out.jpg"}, RasterError, ("out.jpg", "float32", "OUT_PIXELTYPE")),
    "bands that a format cannot hold": (
        {"out": "out.jpg", "out.pixeltype": "uint8"},
        RasterError,
        ("out.jpg", "2 bands", "another format"),
    ),
    "a background that does not fit": (
        {"source1.nodata": 0, "output.bv": -1, "out.pixeltype": "uint8"},
        ParameterError,
        ("OUTPUT_BV is -1", "uint8", "0 to 255"),
    ),
}


def attempt(files: Path, out: Path, changes: dict[str, Any]) -> None:
    values: dict[str, Any] = {**GOOD, "out": "out.tif", **changes}
    for key in ("model.dir", "source1.il", "source2.il", "source3.il"):
        if isinstance(values.get(key), list):
            values[key] = [str(files / name) for name in values[key]]
        elif key in values:
            values[key] = str(files / values[key])
    values["out"] = str(out / values["out"])
    registry.run("TensorflowModelServe", values)


def test_the_good_run_is_good(files: Path, tmp_path: Path) -> None:
    attempt(files, tmp_path, {})
    assert serving.read(tmp_path / "out.tif").shape == (40, 50, 2)


@pytest.mark.parametrize("name", BAD)
def test_bad_input(files: Path, tmp_path: Path, name: str) -> None:
    changes, kind, words = BAD[name]
    with pytest.raises(kind) as caught:
        attempt(files, tmp_path, changes)
    message = str(caught.value)
    for word in words:
        assert word in message
    assert message.endswith((".", "?")) and "\n" not in message
    assert list(tmp_path.iterdir()) == []


def test_the_output_is_an_input(files: Path, tmp_path: Path) -> None:
    image = tmp_path / "out.tif"
    shutil.copy(files / "two.tif", image)
    before = image.read_bytes()
    (tmp_path / "link.tif").symlink_to(image)
    for name in ("out.tif", "link.tif"):
        with pytest.raises(ParameterError, match=f"{name}, which is also an input"):
            attempt(files, tmp_path, {"source1.il": str(image), "out": name})
    assert image.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.tif", "out.tif"]


@pytest.mark.parametrize(
    ("operation", "output"),
    [
        ("TensorflowModelServe", "out"),
        ("ImageClassifierFromDeepFeatures", "out"),
        ("ImageClassifierFromDeepFeatures", "confmap"),
        ("TrainClassifierFromDeepFeatures", "out"),
        ("TrainClassifierFromDeepFeatures", "confmatout"),
        ("TrainClassifierFromDeepFeatures", "out.report"),
    ],
)
def test_no_output_of_an_operation_that_serves_is_an_input(
    files: Path, tmp_path: Path, operation: str, output: str
) -> None:
    """The run of an operation checks this before any work: neither model nor classifier is read."""
    image = tmp_path / "image.tif"
    shutil.copy(files / "two.tif", image)
    gdal.BuildVRT(str(tmp_path / "mosaic.vrt"), [str(image)]).FlushCache()
    values = {"out": str(tmp_path / "out.tif"), "vd": "v.gpkg", "sample.vfn": "class", "model": "c.skops"}
    values |= {"model.dir": "nowhere", "deepmodel.dir": "nowhere", output: str(image)}
    known = {key.name for key in keys(registry.declaration(operation), ["source2.il"])}
    values = {key: value for key, value in values.items() if key in known}
    values["source1.il"] = [str(files / "two.tif")]
    for source in (image, tmp_path / "mosaic.vrt"):
        with pytest.raises(
            ParameterError, match=f"{output.replace('.', '_').upper()} is {image}, which is also an input"
        ):
            registry.run(operation, {**values, "source2.il": [str(source)]})


def test_a_folder_that_cannot_be_written_to(files: Path, tmp_path: Path) -> None:
    folder = Path("/proc") if os.geteuid() == 0 else tmp_path  # modes do not hold root back
    tmp_path.chmod(0o555)
    with pytest.raises(ParameterError, match="which cannot be written|folder") as caught:
        attempt(files, folder, {})
    assert str(folder) in str(caught.value)


def test_an_option_that_the_format_does_not_have_is_told(files: Path, tmp_path: Path) -> None:
    """GDAL goes on without it, and so do we."""
    log = serving.Log()
    values = {"source1_il": str(files / "two.tif"), "model_dir": str(files / "crop"), "out": str(tmp_path / "out.tif")}
    serving.serve(log, **values, out_co="COMPRESS=TIGHT")
    assert any("TIGHT" in warning for warning in log.warnings)
