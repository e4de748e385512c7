"""What a warm engine has probed of a model is forgotten when the model's files change."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import serving  # noqa: E402

POINT = np.zeros((7, 7, 1, 1), "float32")
POINT[3, 3] = 2.0
WIDE = np.random.default_rng(5).random((7, 7, 1, 1)).astype("float32")


@pytest.fixture(autouse=True)
def long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """All files count as written long ago, so that their content is not read: what the file system says must do."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3600 * 10**9)


def save(folder: Path, kernel: np.ndarray) -> str:
    """Save a convolution whose kernel is a variable: program and sizes are the same whatever its values."""
    module = tf.Module()
    module.kernel = tf.Variable(kernel)
    module.serve = tf.function(lambda x: {"y": tf.nn.conv2d(x, module.kernel, 1, "SAME")}, autograph=False)
    signature = module.serve.get_concrete_function(tf.TensorSpec([None, None, None, 1], "float32", name="x"))
    tf.saved_model.save(module, str(folder), signatures=signature)
    return str(folder)


def copy_in_place(source: str, target: str, set_back: bool) -> None:
    """Write the variables of one model into the files of another, which keep their sizes."""
    for file in (Path(target) / "variables").iterdir():
        before, content = file.stat(), (Path(source) / "variables" / file.name).read_bytes()
        file.write_bytes(content)
        if set_back:
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert (file.stat().st_size, file.stat().st_ino) == (before.st_size, before.st_ino)


@pytest.mark.parametrize("set_back", [False, True], ids=["copied", "copied, time set back"])
def test_variables_of_the_same_size_written_in_place_are_noticed(tmp_path: Path, set_back: bool) -> None:
    """The point looks at one pixel: if that were remembered, the wide kernel's tiles would not meet."""
    image = serving.write(tmp_path / "image.tif", serving.noise(50, 45))

    def run(model: str) -> np.ndarray:
        out = tmp_path / "out.tif"
        serving.serve(source1_il=image, model_dir=model, out=str(out), optim_tilesizex=16, optim_tilesizey=16)
        return serving.read(out)

    model, other = save(tmp_path / "m", POINT), save(tmp_path / "n", WIDE)
    assert run(model).ravel()[0] == 2 * serving.read(image).ravel()[0]
    copy_in_place(other, model, set_back)
    np.testing.assert_array_equal(run(model), run(other))
