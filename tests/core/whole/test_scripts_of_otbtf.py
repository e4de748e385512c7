"""Scripts for OTBTF with other imports: graphs of TensorFlow 1, OTB's Python module and pyotb."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving
from osgeo import gdal

tf = pytest.importorskip("tensorflow")

from otbtf_qgis import core  # noqa: E402
from otbtf_qgis.core import otbApplication, pyotb  # noqa: E402
from otbtf_qgis.core.errors import ParameterError  # noqa: E402

v1 = tf.compat.v1


@pytest.fixture
def image(tmp_path: Path) -> str:
    return serving.write(tmp_path / "image.tif", serving.noise(20, 30, 2, "int16"))


def patches(path: Path, count: int, size: int, bands: int, most: int, seed: int = 0) -> str:
    values = np.random.default_rng(seed).integers(0, most, (count * size, size, bands)).astype("int16")
    return serving.write(path, values)


def weights(shape: list[int], name: str) -> Any:
    return v1.get_variable(name, shape, initializer=tf.random_normal_initializer(stddev=0.2, seed=1))


def train(model: Path, tmp_path: Path, **sources: str) -> dict[str, Any]:
    """Run TensorflowModelTrain for an epoch; the last source is of labels."""
    values: dict[str, Any] = {"model.dir": model, "model.saveto": tmp_path / "trained"}
    for number, (name, path) in enumerate(sources.items(), 1):
        width = gdal.Open(path).RasterXSize
        height = 1 if name == "y" and width > 1 and gdal.Open(path).RasterYSize == 1 else width
        values |= {f"training.source{number}.il": [path], f"training.source{number}.placeholder": name}
        values |= {f"training.source{number}.patchsizex": width, f"training.source{number}.patchsizey": height}
    more = {"training.targetnodes": "optimizer", "training.epochs": 1, "training.batchsize": 4}
    return core.run("TensorflowModelTrain", {**values, **more}, serving.Log())


def two_branches() -> tuple[list[str], list[str]]:
    """Patches of 4 x 4 and of 8 x 8 pixels to a class, as a network of two sources is built."""
    one, two = (v1.placeholder(tf.float32, [None, None, None, bands], name=n) for n, bands in (("x1", 3), ("x2", 2)))
    y = v1.placeholder(tf.int32, [None, None, None, 1], name="y")
    rate = v1.placeholder_with_default(tf.constant(0.01), shape=[], name="lr")
    a = tf.nn.relu(tf.nn.conv2d(one, weights([4, 4, 3, 5], "a"), 1, "VALID"))
    b = tf.nn.max_pool2d(tf.nn.conv2d(two, weights([5, 5, 2, 5], "b1"), 1, "VALID"), 2, 2, "VALID")
    b = tf.nn.relu(tf.nn.conv2d(b, weights([2, 2, 5, 5], "b2"), 1, "VALID"))
    features = tf.reshape(tf.stack([a, b], axis=3), [-1, 10], name="features")
    scores = tf.matmul(features, weights([10, 3], "dense"))
    tf.argmax(scores, 1, name="prediction")
    loss = v1.losses.sparse_softmax_cross_entropy(labels=tf.reshape(y, [-1, 1]), logits=scores)
    v1.train.AdamOptimizer(rate, name="optimizer").minimize(loss)
    return ["x1:0", "x2:0", "y:0"], ["features:0", "prediction:0"]


def encoder_decoder() -> tuple[list[str], list[str]]:
    """A class for each pixel, with a skip connection, and an output that is cropped."""
    x = v1.placeholder(tf.float32, [None, None, None, 2], name="x")
    y = v1.placeholder(tf.int32, [None, None, None, 1], name="y")
    whole = tf.nn.conv2d(x, weights([3, 3, 2, 4], "first"), 1, "SAME")
    half = tf.nn.relu(tf.nn.conv2d(whole, weights([3, 3, 4, 4], "down"), 2, "SAME"))
    shape = tf.stack([tf.shape(x)[0], 2 * tf.shape(half)[1], 2 * tf.shape(half)[2], 4])
    full = tf.nn.conv2d_transpose(half, weights([3, 3, 4, 4], "up"), shape, 2, "SAME")
    scores = tf.tensordot(tf.reshape(full, shape) + whole, weights([4, 3], "scores"), 1)
    label = tf.expand_dims(tf.argmax(scores, axis=3), -1, name="prediction")
    tf.identity(label[:, 4:-4, 4:-4, :], name="prediction_fcn")
    loss = v1.losses.sparse_softmax_cross_entropy(labels=tf.reshape(y, [-1, 1]), logits=tf.reshape(scores, [-1, 3]))
    v1.train.AdamOptimizer(0.01, name="optimizer").minimize(loss)
    return ["x:0", "y:0"], ["prediction:0", "prediction_fcn:0"]


def save(build: Any, model: Path) -> None:
    with tf.Graph().as_default():
        inputs, outputs = build()
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            core.CreateSavedModel(session, inputs, outputs, str(model))


def test_a_graph_of_two_sources(tmp_path: Path) -> None:
    save(two_branches, tmp_path / "model")
    sources = {"x1": patches(tmp_path / "a.tif", 9, 4, 3, 9), "x2": patches(tmp_path / "b.tif", 9, 8, 2, 9)}
    found = train(tmp_path / "model", tmp_path, **sources, y=patches(tmp_path / "y.tif", 9, 1, 1, 3))
    assert found["samples_per_epoch"] == 9
    coarse, fine = serving.noise(10, 12, 3, "int16", 1), serving.noise(20, 24, 2, "int16", 2)
    x0, _, _, y0 = serving.ORIGIN[:4]
    serving.write(tmp_path / "20.tif", coarse, (x0, 20, 0, y0, 0, -20))
    serving.write(tmp_path / "10.tif", fine)
    serve = otbApplication.Registry.CreateApplication("TensorflowModelServe")
    for number, (name, size) in enumerate((("20.tif", 4), ("10.tif", 8)), 1):
        serve.SetParameterStringList(f"source{number}.il", [str(tmp_path / name)])
        serve.SetParameterInt(f"source{number}.rfieldx", size)
        serve.SetParameterInt(f"source{number}.rfieldy", size)
        serve.SetParameterString(f"source{number}.placeholder", f"x{number}")
    serve.SetParameterString("model.dir", str(tmp_path / "model"))
    serve.SetParameterStringList("output.names", ["features"])
    serve.SetParameterString("out", str(tmp_path / "features.tif"))
    serve.ExecuteAndWriteOutput()
    pixels = serving.read(tmp_path / "features.tif")
    column, row = 3, 2
    left, top = (
        2 * column + 1,
        2 * row + 1,
    )  # of the patch of 8 pixels whose pixel 4 holds the centre of the coarse pixel 2
    feeds = {
        "x1:0": coarse[None, row : row + 4, column : column + 4].astype("float32"),
        "x2:0": fine[None, top : top + 8, left : left + 8].astype("float32"),
    }
    with tf.Graph().as_default(), v1.Session() as session:
        v1.saved_model.load(session, ["serve"], str(tmp_path / "model"))
        wanted = session.run("features:0", feeds)[0]
    assert pixels.shape == (6, 8, 10)
    np.testing.assert_allclose(pixels[row, column], wanted, rtol=1e-4)


def test_a_graph_that_labels_pixels(tmp_path: Path) -> None:
    save(encoder_decoder, tmp_path / "model")
    x, y = patches(tmp_path / "x.tif", 6, 16, 2, 99), patches(tmp_path / "y.tif", 6, 16, 1, 3)
    assert train(tmp_path / "model", tmp_path, x=x, y=y)["epochs_run"] == 1
    pixels = serving.noise(40, 48, 2, "int16")
    command = (
        f"otbcli_TensorflowModelServe -source1.il {serving.write(tmp_path / 'image.tif', pixels)} -source1.rfieldx 16 "
        f"-source1.rfieldy 16 -source1.placeholder x -model.dir {tmp_path / 'model'} -model.fullyconv on -output.names "
        f"prediction_fcn -output.efieldx 8 -output.efieldy 8 -out {tmp_path / 'map.tif'} uint8"
    )
    core.run("RunCommandLine", {"command": command}, serving.Log())
    with tf.Graph().as_default(), v1.Session() as session:
        v1.saved_model.load(session, ["serve"], str(tmp_path / "model"))
        wanted = session.run("prediction_fcn:0", {"x:0": pixels[None].astype("float32")})[0]
    np.testing.assert_array_equal(serving.read(tmp_path / "map.tif"), wanted)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_graph_that_iterates_over_a_data_set(tmp_path: Path, streaming: bool) -> None:
    """Super-resolution in little: the inputs are placeholders that an iterator feeds, and the whole graph is saved."""
    low, high = patches(tmp_path / "lr.tif", 7, 8, 2, 99), patches(tmp_path / "hr.tif", 7, 16, 2, 99)
    with tf.Graph().as_default():
        data = core.DatasetFromPatchesImages({"lr": [low], "hr": [high]}, use_streaming=streaming)
        batches = data.get_tf_dataset(batch_size=3)
        assert sorted(batches.output_types) == ["hr", "lr"]
        assert batches.output_shapes["hr"].as_list() == [3, 16, 16, 2]
        iterator = v1.data.Iterator.from_structure(batches.output_types)
        begin, sample = iterator.make_initializer(batches), iterator.get_next()
        floats = {name: tf.cast(tensor, tf.float32) for name, tensor in sample.items()}
        x = v1.placeholder_with_default(floats["lr"], (None, None, None, 2), name="lr_input")
        shape = tf.stack([tf.shape(x)[0], 2 * tf.shape(x)[1], 2 * tf.shape(x)[2], 2])
        y = tf.nn.conv2d_transpose(x, weights([2, 2, 2, 2], "up"), shape, 2, "SAME")
        y = tf.reshape(y, shape)
        tf.identity(y[:, 4:-4, 4:-4, :], name="output_4")
        step = v1.train.AdamOptimizer(0.01).minimize(tf.reduce_mean(tf.square(y - floats["hr"])))
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            taken = 0
            for _ in range(2):
                session.run(begin)
                with pytest.raises(tf.errors.OutOfRangeError):
                    while True:
                        session.run(step)
                        taken += 1
            graph = session.graph
            v1.saved_model.simple_save(
                session,
                str(tmp_path / "model"),
                inputs={"lr_input:0": graph.get_tensor_by_name("lr_input:0")},
                outputs={"output_4:0": graph.get_tensor_by_name("output_4:0")},
            )
            pixels = serving.noise(20, 24, 2, "int16")
            wanted = session.run("output_4:0", {"lr_input:0": pixels[None].astype("float32")})[0]
    assert taken == 4  # two batches of three of seven samples, twice
    image = serving.write(tmp_path / "image.tif", pixels)
    serve = otbApplication.Registry.CreateApplication("TensorflowModelServe")
    serve.SetParameterStringList("source1.il", [image])
    serve.SetParameterInt("source1.rfieldx", 12)
    serve.SetParameterInt("source1.rfieldy", 12)
    serve.SetParameterString("source1.placeholder", "lr_input")
    serve.SetParameterString("model.dir", str(tmp_path / "model"))
    serve.SetParameterString("model.fullyconv", "on")
    serve.SetParameterStringList("output.names", ["output_4"])
    serve.SetParameterInt("output.efieldx", 16)
    serve.SetParameterInt("output.efieldy", 16)
    serve.SetParameterFloat("output.spcscale", 0.5)
    serve.SetParameterInt("optim.disabletiling", 1)
    options = "&gdal:co:COMPRESS=DEFLATE&streaming:type=tiled&streaming:sizemode=height&streaming:sizevalue=16"
    serve.SetParameterString("out", f"{tmp_path / 'sr.tif'}?{options}")
    serve.SetParameterOutputImagePixelType("out", otbApplication.ImagePixelType_double)
    serve.ExecuteAndWriteOutput()
    np.testing.assert_allclose(serving.read(tmp_path / "sr.tif"), wanted, rtol=1e-5)
    written = gdal.Open(str(tmp_path / "sr.tif"))
    assert written.GetRasterBand(1).DataType == gdal.GDT_Float64
    assert written.GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") == "DEFLATE"
    assert written.GetGeoTransform()[1] == 5


def test_tfrecords_in_a_graph(tmp_path: Path) -> None:
    source = patches(tmp_path / "p.tif", 4, 2, 1, 9)
    core.DatasetFromPatchesImages({"p": [source]}).to_tfrecords(str(tmp_path / "records"), 2)
    with tf.Graph().as_default(), v1.Session() as session:
        batches = core.TFRecords(str(tmp_path / "records")).read(4, [])
        values = session.run(v1.data.make_one_shot_iterator(batches).get_next())
    values = values[0] if isinstance(values, tuple) else values
    assert sorted(values["p"].reshape(4, -1).tolist()) == sorted(serving.read(source).reshape(4, -1).tolist())


KINDS = {
    "uint8": "unsigned_char",
    "int16": "short",
    "uint16": "unsigned_short",
    "int32": "int",
    "float32": "float",
    "float64": "double",
}
"""The words of OTB 8.1.1's ReadImageInfo."""


@pytest.mark.parametrize("dtype", KINDS)
def test_what_is_read_of_an_image(tmp_path: Path, dtype: str) -> None:
    path = serving.write(tmp_path / "a.tif", np.zeros((5, 7, 3), dtype), (500000, 10, 0, 5000000, 0, -10), 32631)
    read = otbApplication.Registry.CreateApplication("ReadImageInfo")
    read.SetParameterString("in", f"{path}?&skipcarto=true")
    read.Execute()
    assert read.GetParameterString("datatype") == KINDS[dtype]
    sizes = [read.GetParameterInt(key) for key in ("sizex", "sizey", "numberbands", "indexx")]
    assert sizes == [7, 5, 3, 0]
    places = [read.GetParameterFloat(key) for key in ("originx", "originy", "spacingx", "spacingy")]
    assert places == [500005, 4999995, 10, -10]  # what OTB tells
    assert "UTM zone 31N" in read.GetParameterString("projectionref")
    assert read.HasValue("sizex") and not read.HasValue("gcp.count")
    with pytest.raises(ParameterError, match=r"no value of gcp\.count"):
        read.GetParameterValue("gcp.count")


def test_applications_that_take_each_other(image: str, tmp_path: Path) -> None:
    """As products are stacked before a network takes them: values beyond the pixel type that is set are not cut."""
    pixels = serving.read(image).astype(float)
    halves = []
    for band in (1, 2):
        half = otbApplication.Registry.CreateApplication("BandMath")
        half.SetParameterStringList("il", [image])
        half.SetParameterString("exp", f"im1b{band} * 4.5")
        half.SetParameterOutputImagePixelType("out", otbApplication.ImagePixelType_uint8)
        half.Execute()
        halves.append(half)
    stack = otbApplication.Registry.CreateApplication("ConcatenateImages")
    for half in halves:
        stack.ConnectImage("il", half, "out")
    assert pyotb.get_nbchannels(stack) == 2
    moved = otbApplication.Registry.CreateApplication("BandMathX")
    moved.AddImageToParameterInputImageList("il", stack.GetParameterOutputImage("out"))
    moved.AddParameterStringList("il", image)
    moved.SetParameterString("exp", "im1b1 - im2b1; im1b2")
    moved.SetParameterString("out", str(tmp_path / "out.tif"))
    moved.SetParameterOutputImagePixelType("out", "double")
    assert moved.WriteOutput() == 0
    np.testing.assert_allclose(serving.read(tmp_path / "out.tif")[..., 0], pixels[..., 0] * 3.5, rtol=1e-6)
    np.testing.assert_allclose(serving.read(tmp_path / "out.tif")[..., 1], pixels[..., 1] * 4.5, rtol=1e-6)
    before = (tmp_path / "out.tif").stat().st_mtime_ns
    moved.WriteOutput()
    assert (tmp_path / "out.tif").stat().st_mtime_ns == before
    halves[0].SetParameterString("exp", "im1b1 * 0")  # what it gives from here on
    assert gdal.Open(halves[0].GetParameterOutputImage("out").path()).ReadAsArray().max() == 0


def test_as_pyotb_calls_them(image: str, tmp_path: Path) -> None:
    pixels = serving.read(image)
    first = pyotb.ExtractROI({"in": image}, startx=2, sizex=10)
    assert pyotb.get_nbchannels(image) == pyotb.get_nbchannels(first) == 2
    both = pyotb.ConcatenateImages([first, first["out"]])
    moved = pyotb.App("BandMathX", il=[both], exp="im1b4 + 1; im1b1")
    options = "&streaming:type=tiled&gdal:co:COMPRESS=LZW&gdal:co:TILED=YES"
    moved.write(out=str(tmp_path / "a.tif"), pixel_type="int32", filename_extension=options)
    written = serving.read(tmp_path / "a.tif")
    assert written.dtype == np.int32
    np.testing.assert_array_equal(written[..., 0], pixels[:, 2:12, 1].astype(int) + 1)
    np.testing.assert_array_equal(written[..., 1], pixels[:, 2:12, 0])
    pyotb.Input(image).write(str(tmp_path / "b.tif?&gdal:co:TILED=YES"), filename_extension="&gdal:co:COMPRESS=LZW")
    np.testing.assert_array_equal(serving.read(tmp_path / "b.tif"), pixels)
    pyotb.BandMath(image, exp="im1b1", out=str(tmp_path / "c.tif"))  # written at once
    np.testing.assert_array_equal(serving.read(tmp_path / "c.tif")[..., 0], pixels[..., 0])


def test_thirteen_sources(tmp_path: Path) -> None:
    names = [f"t{number}" for number in range(12)] + ["dem"]
    arrays = {name: serving.noise(6, 6, 1, "uint8", seed) for seed, name in enumerate(names)}
    model = serving.save(
        tmp_path / "model",
        lambda **x: {"y": tf.add_n([(place + 1.0) * x[name] for place, name in enumerate(names)])},
        **{name: ([None, None, None, 1], "float32") for name in names},
    )
    values: dict[str, Any] = {"model.dir": model, "model.fullyconv": True, "output.names": ["y"]}
    for number, name in enumerate(names, 1):
        path = serving.write(tmp_path / f"{name}.tif", arrays[name])
        values |= {f"source{number}.il": [path], f"source{number}.rfieldx": 1, f"source{number}.rfieldy": 1}
        values[f"source{number}.placeholder"] = name
    pyotb.TensorflowModelServe(values).write(out=str(tmp_path / "map.tif"), pixel_type="float")
    wanted = sum((place + 1.0) * arrays[name] for place, name in enumerate(names))
    np.testing.assert_array_equal(serving.read(tmp_path / "map.tif"), wanted)


def test_what_needs_otb_is_named(image: str) -> None:
    with pytest.raises(ParameterError, match="'Mosaic' here: run that step with OTB"):
        otbApplication.Registry.CreateApplication("Mosaic")
    with pytest.raises(AttributeError, match="'BinaryMorphologicalOperation' here: run that step with OTB"):
        _ = pyotb.BinaryMorphologicalOperation
    with pytest.raises(AttributeError, match=r"pyotb\.where is not supported.*BandMathX"):
        _ = pyotb.where
    app = pyotb.Input(image)
    with pytest.raises(ParameterError, match="Arithmetic with ExtractROI.*BandMathX"):
        _ = app <= 1
    with pytest.raises(ParameterError, match="extract a part of an image with ExtractROI"):
        _ = app[:, :, :4]  # type: ignore[index]
    with pytest.raises(ParameterError, match="no output path: add out="):
        app.write()
    with pytest.raises(ParameterError, match="pixel type of out is 9, but must be one of uint8"):
        app.SetParameterOutputImagePixelType("out", 9)
    app.SetParameterString("exq", "1")
    with pytest.raises(ParameterError, match="Unknown parameter exq"):
        app.write(out="x.tif")
