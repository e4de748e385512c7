"""One run on several devices: the pixels of one device, in order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import serving

from otbtf_qgis.core.errors import ParameterError

pytest.importorskip("tensorflow")

PROGRAM = """
import json, sqlite3, sys, threading
from osgeo import gdal
import tensorflow as tf
[cpu] = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.probing.compute import Compute
from otbtf_qgis.core.registry import run

used = set()
region = Compute.region

def noted(self, *given):
    used.add((threading.get_ident(), id(self)))
    return region(self, *given)

Compute.region = noted
for values in json.loads(sys.argv[1]):
    used.clear()
    run("TensorflowModelServe", values, Progress())
    print(len({compute for _, compute in used}), flush=True)
"""


def test_two_logical_devices(tmp_path: Path) -> None:
    image = serving.write(tmp_path / "image.tif", serving.noise(70, 90, 2, "uint16"), nodata=7)
    model = serving.convolutions(tmp_path / "model", 2)
    values = {"source1.il": [image], "model.dir": model, "optim.tilesizex": 16, "optim.tilesizey": 16}
    runs = [{**values, "out": str(tmp_path / f"{device[4:]}.tif"), "device": device} for device in ("cpu:0", "cpu:all")]
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(runs)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["1", "2"], "both devices compute"
    np.testing.assert_array_equal(serving.read(tmp_path / "all.tif"), serving.read(tmp_path / "0.tif"))


def test_no_gpu(tmp_path: Path) -> None:
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is one")
    image = serving.write(tmp_path / "image.tif", serving.noise(8, 8, 1, "uint8"))
    model = serving.pixelwise(tmp_path / "model", lambda x: x)
    with pytest.raises(ParameterError, match="DEVICE is 'gpu:all', but TensorFlow finds no GPU"):
        serving.serve(source1_il=[image], model_dir=model, out=str(tmp_path / "map.tif"), device="gpu:all")
