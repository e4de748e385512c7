"""Outputs in an object store: made on a disk, and uploaded when they are whole; against a server of S3 on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import classifier_scene as scene
import numpy as np
import pytest
import serving
from osgeo import gdal

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import Cancelled, ParameterError

pytest.importorskip("moto", reason="the server of S3 is not installed")

VARIABLES = {
    "AWS_ACCESS_KEY_ID": "someone",
    "AWS_SECRET_ACCESS_KEY": "secret",  # pragma: allowlist secret
    "AWS_REGION": "us-east-1",
    "AWS_HTTPS": "NO",
    "AWS_VIRTUAL_HOSTING": "FALSE",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    paths = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.Popen(program, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": paths})
    address = f"127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://{address}/moto-api/").close()
                break
            except OSError:
                time.sleep(0.1)
        bucket = urllib.request.Request(
            f"http://{address}/maps",
            method="PUT",
            headers={"Authorization": "AWS4-HMAC-SHA256 Credential=someone/20260101/us-east-1/s3/aws4_request"},
        )
        urllib.request.urlopen(bucket).close()
        yield address
    finally:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def credentials(server: str) -> Iterator[None]:
    """As GDAL reads them from the environment; set as its options, since it read the environment once."""
    given = {**VARIABLES, "AWS_S3_ENDPOINT": server}
    for name, value in given.items():
        gdal.SetConfigOption(name, value)
    yield
    for name in given:
        gdal.SetConfigOption(name, None)
    gdal.VSICurlClearCache()


@pytest.fixture
def image(tmp_path: Path) -> str:
    return serving.write(tmp_path / "image.tif", serving.noise(300, 320, 2, "uint16"), nodata=5)


def band_math(image: str, out: str, progress: serving.Log | None = None) -> None:
    registry.run("BandMathX", {"il": [image], "exp": "im1", "out": (out, "uint16")}, progress or serving.Log())


def listed() -> list[str]:
    gdal.VSICurlClearCache()
    return sorted(gdal.ReadDir("/vsis3/maps") or [])


def test_an_output_is_uploaded(image: str) -> None:
    for _ in range(2):  # the second time in place of the first
        band_math(image, "/vsis3/maps/first.tif")
        assert listed() == ["first.tif"]
        np.testing.assert_array_equal(serving.read("/vsis3/maps/first.tif"), serving.read(image))


def test_a_bucket_that_does_not_exist(image: str) -> None:
    log = serving.Log()
    with pytest.raises(ParameterError, match=r"OUT is /vsis3/nobody/map.tif, where nothing can be written: .*bucket"):
        band_math(image, "/vsis3/nobody/map.tif", log)
    assert not log.fractions, "before the work starts"


def test_nothing_of_a_run_that_is_cancelled(image: str) -> None:
    class Stopped(serving.Log):
        def cancelled(self) -> bool:
            return True

    before = listed()
    with pytest.raises(Cancelled):
        band_math(image, "/vsis3/maps/second.tif", Stopped())
    assert listed() == before


def test_a_model_and_its_map(image: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    band_math(image, "/vsis3/maps/image.tif")
    model = serving.pixelwise(tmp_path / "same", lambda x: x, 2, "uint16")
    values = {"source1.il": ["/vsis3/maps/image.tif"], "model.dir": model, "out": "/vsis3/maps/map.tif", "resume": True}
    with pytest.raises(ParameterError, match="RESUME is given, but OUT is /vsis3/maps/map.tif"):
        registry.run("TensorflowModelServe", values, serving.Log())
    values["resume"] = False
    registry.run("TensorflowModelServe", values, serving.Log())
    np.testing.assert_array_equal(serving.read("/vsis3/maps/map.tif"), serving.read(image))


def test_a_map_by_workers(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They read the store by the credentials of the environment that they inherit; the whole is uploaded once."""
    pytest.importorskip("distributed")
    pytest.importorskip("sklearn")
    for name, value in {**VARIABLES, "AWS_S3_ENDPOINT": server}.items():
        monkeypatch.setenv(name, value)
    values = {"in": serving.write(tmp_path / "image.tif", scene.pixels()), "model": scene.train_pixels(tmp_path)}
    registry.run("ImageClassifier", {**values, "out": str(tmp_path / "whole.tif")}, serving.Log())
    band_math(values["in"], "/vsis3/maps/quarters.tif")
    values.update({"in": "/vsis3/maps/quarters.tif", "out": "/vsis3/maps/classes.tif"})
    values.update({"cluster": "local:1", "cluster.partsize": 32, "out.overviews": True})
    found = registry.run("ImageClassifier", values, serving.Log())
    assert (found["out"], found["parts.done"]) == ("/vsis3/maps/classes.tif", 4)
    np.testing.assert_array_equal(serving.read("/vsis3/maps/classes.tif"), serving.read(tmp_path / "whole.tif"))
    assert [name for name in listed() if "parts" in name or "otbtf" in name] == []
