"""What is known of a model belongs to its files and its tag set: in a warm engine, and through a sidecar."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import serving  # noqa: E402

from otbtf_qgis.core.errors import ModelError  # noqa: E402
from otbtf_qgis.core.models.identity import fingerprint, identity  # noqa: E402
from otbtf_qgis.core.models.sidecar import read_sidecar, sidecar_path  # noqa: E402
from otbtf_qgis.core.probing import geometryresolver, modelcache  # noqa: E402
from otbtf_qgis.core.registry import run  # noqa: E402

tf1 = tf.compat.v1
SIDE = 9
POINT = np.zeros((SIDE, SIDE, 1, 1), "float32")
POINT[SIDE // 2, SIDE // 2] = 2.0
WIDE = np.random.default_rng(5).random((SIDE, SIDE, 1, 1)).astype("float32")
TILES = {"optim__tilesizex": 16, "optim__tilesizey": 16}


@pytest.fixture(autouse=True)
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a new process knows: nothing."""
    monkeypatch.setattr(modelcache, "_models", type(modelcache._models)())
    for name in ("_size_laws", "_probed_outputs", "_tile_margins"):
        monkeypatch.setattr(geometryresolver, name, {})


def convolved(pixels: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Cross-correlate one band with zeros around it, by shifts."""
    half = SIDE // 2
    padded = np.pad(pixels[..., 0].astype("float64"), half)
    rows, columns = pixels.shape[:2]
    shifts = ((kernel[i, j, 0, 0], padded[i : i + rows, j : j + columns]) for i in range(SIDE) for j in range(SIDE))
    return np.asarray(sum(weight * shifted for weight, shifted in shifts))[..., None]


def save(folder: Path, kernel: np.ndarray) -> str:
    """Save a convolution of TensorFlow 2 whose kernel is a variable: the program is the same whatever its values."""
    module = tf.Module()
    module.kernel = tf.Variable(kernel)
    module.serve = tf.function(lambda x: {"y": tf.nn.conv2d(x, module.kernel, 1, "SAME")}, autograph=False)
    signature = module.serve.get_concrete_function(tf.TensorSpec([None, None, None, 1], "float32", name="x"))
    tf.saved_model.save(module, str(folder), signatures=signature)
    return str(folder)


def swap_variables(model: str, other: str) -> None:
    """Put the variables of one model under another, as copying does, the program untouched."""
    for file in (Path(other) / "variables").iterdir():
        (Path(model) / "variables" / file.name).write_bytes(file.read_bytes())


def save_tag_sets(folder: Path) -> str:
    """Save two graphs: the first looks at one pixel, the second around it."""
    builder = tf1.saved_model.Builder(str(folder))
    for tag, kernel in (("serve", POINT), ("wide", WIDE)):
        with tf1.Graph().as_default(), tf1.Session() as session:
            x = tf1.placeholder(tf.float32, [None, None, None, 1], "x")
            y = tf.nn.conv2d(x, tf.constant(kernel), 1, "SAME", name="y")
            tf1.get_variable("unused", [], use_resource=True)
            session.run(tf1.global_variables_initializer())
            signature = {"serving_default": tf1.saved_model.predict_signature_def({"x": x}, {"y": y})}
            if tag == "serve":
                builder.add_meta_graph_and_variables(session, [tag], signature)
            else:
                builder.add_meta_graph([tag], signature)
    builder.save()
    return str(folder)


@pytest.fixture
def pixels() -> np.ndarray:
    return serving.texture(50, 45)


@pytest.fixture
def image(tmp_path: Path, pixels: np.ndarray) -> str:
    return serving.write_at(tmp_path / "image.tif", pixels)


def test_two_tag_sets_of_one_model_are_two_models(tmp_path: Path, image: str, pixels: np.ndarray) -> None:
    model = save_tag_sets(tmp_path / "m")
    for tags, kernel in (("serve", POINT), ("wide", WIDE), ("serve", POINT)):
        found = serving.served(tmp_path, model, image, model__tagsets=tags, **TILES)
        np.testing.assert_allclose(found, convolved(pixels, kernel), rtol=1e-4, atol=1e-4)


def test_swapped_variables_make_another_model(tmp_path: Path, image: str, pixels: np.ndarray) -> None:
    model, other = save(tmp_path / "m", POINT), save(tmp_path / "n", WIDE)
    program = Path(model) / "saved_model.pb"
    before = program.stat()
    np.testing.assert_allclose(serving.served(tmp_path, model, image, **TILES), convolved(pixels, POINT), rtol=1e-4)
    swap_variables(model, other)
    os.utime(program, ns=(before.st_atime_ns, before.st_mtime_ns))
    np.testing.assert_allclose(serving.served(tmp_path, model, image, **TILES), convolved(pixels, WIDE), rtol=1e-4)


def describe(model: str, tags: str = "") -> None:
    run("describemodel", {"model.dir": model, "model.tagsets": tags, "sidecar": True})


def test_sidecar_of_one_tag_set_is_not_taken_for_another(
    tmp_path: Path, image: str, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = save_tag_sets(tmp_path / "m")
    describe(model)
    forget(monkeypatch)
    found = serving.served(tmp_path, model, image, model__tagsets="wide", **TILES)
    np.testing.assert_allclose(found, convolved(pixels, WIDE), rtol=1e-4, atol=1e-4)
    assert read_sidecar(model, ["serve"]).geometries and not read_sidecar(model, ["wide"]).geometries  # type: ignore[union-attr]


def test_sidecar_of_swapped_variables_is_an_error_that_describing_cures(
    tmp_path: Path, image: str, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, other = save(tmp_path / "m", POINT), save(tmp_path / "n", WIDE)
    describe(model)
    swap_variables(model, other)
    forget(monkeypatch)
    with pytest.raises(ModelError, match="fingerprint.*Describe a model"):
        serving.served(tmp_path, model, image, **TILES)
    describe(model)
    np.testing.assert_allclose(serving.served(tmp_path, model, image, **TILES), convolved(pixels, WIDE), rtol=1e-4)


def test_old_sidecar_that_knows_the_program_only_gives_its_classes(
    tmp_path: Path, image: str, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, other = save(tmp_path / "m", POINT), save(tmp_path / "n", WIDE)
    describe(model)
    item = json.loads(sidecar_path(model).read_text())
    del item["properties"]["otbtf:tags"]
    program = (Path(model) / "saved_model.pb").read_bytes()
    item["properties"]["otbtf:fingerprint"] = "sha256:" + hashlib.sha256(program).hexdigest()
    item["properties"]["mlm:output"][0]["classification:classes"] = [{"value": 1, "title": "water"}]
    sidecar_path(model).write_text(json.dumps(item))
    swap_variables(model, other)
    forget(monkeypatch)
    np.testing.assert_allclose(serving.served(tmp_path, model, image, **TILES), convolved(pixels, WIDE), rtol=1e-4)
    sidecar = read_sidecar(model, ["serve"])
    assert sidecar is not None and not sidecar.geometries and sidecar.classes["y"][0].name == "water"


def test_describing_does_not_change_the_model(tmp_path: Path) -> None:
    model = save(tmp_path / "m", POINT)
    before, content = identity(model, ["serve"]), fingerprint(model)
    describe(model)
    assert identity(model, ["serve"]) == before and fingerprint(model) == content
    assert identity(str(Path(model) / "saved_model.pb"), ["serve"]) == before


def test_file_that_changes_unseen_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same size, at the same time by the file system's clock, in place."""
    from otbtf_qgis.core.models import identity as module

    file = tmp_path / "net.keras"
    file.write_bytes(b"one")
    status = module._status(file)
    monkeypatch.setattr(module, "_status", lambda _: status)
    first, content = identity(str(file), []), fingerprint(str(file))
    assert identity(str(file), []) == first
    file.write_bytes(b"two")
    assert identity(str(file), []) != first and fingerprint(str(file)) != content


class TestSettledFiles:
    """Files that were written long ago: their content is not read, so that only what the file system says can tell."""

    @pytest.fixture
    def file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        later = time.time_ns
        monkeypatch.setattr(time, "time_ns", lambda: later() + 3600 * 10**9)
        file = tmp_path / "net.keras"
        file.write_bytes(b"one")
        assert identity(str(file), []).contents == ()
        return file

    @staticmethod
    def rewrite(file: Path) -> None:
        """Write as many other bytes into the same file, at a time that the file system can tell from the last one."""
        before = file.stat()
        while file.stat().st_ctime_ns == before.st_ctime_ns:
            file.write_bytes(b"two")
        assert (file.stat().st_size, file.stat().st_ino) == (before.st_size, before.st_ino)

    def test_reading_the_content_makes_no_other_model_of_it(self, file: Path) -> None:
        """Else a worker, which compares the content with the plan's, would load it twice."""
        first = identity(str(file), [])
        fingerprint(str(file))
        assert identity(str(file), []) == first

    def test_a_change_whose_time_was_set_back_is_noticed(self, file: Path) -> None:
        """As by `cp --preserve` or `rsync --inplace`: the time of the description's change cannot be set."""
        first, content, before = identity(str(file), []), fingerprint(str(file)), file.stat()
        self.rewrite(file)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert file.stat().st_mtime_ns == before.st_mtime_ns
        assert identity(str(file), []) != first and fingerprint(str(file)) != content

    def test_a_change_is_noticed_where_only_its_own_time_tells(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On Windows, the other time is that of the file's creation."""
        created, stat = file.stat().st_ctime_ns, Path.stat

        def windows(path: Path, **options: Any) -> Any:
            found = stat(path, **options)
            names = ("st_mode", "st_size", "st_mtime_ns", "st_ino")
            return SimpleNamespace(st_ctime_ns=created, **{name: getattr(found, name) for name in names})

        first, content = identity(str(file), []), fingerprint(str(file))
        self.rewrite(file)
        os.utime(file, ns=(0, created + 10**9))
        monkeypatch.setattr(Path, "stat", windows)
        assert identity(str(file), []) != first and fingerprint(str(file)) != content
