"""OTBTF's command lines and rasters at web addresses, through qgis_process and the real engine."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal

_spec = importlib.util.spec_from_file_location(
    "range_server", Path(__file__).parents[1] / "core" / "support" / "range_server.py"
)
range_server = importlib.util.module_from_spec(_spec)
sys.modules["range_server"] = range_server  # dataclasses look there
_spec.loader.exec_module(range_server)


@pytest.fixture
def oracle(shared: Path) -> Path:
    return shared / "oracle"


@pytest.fixture
def server(oracle: Path) -> Iterator[Any]:
    with range_server.RangeServer() as server:
        server.add("/ramp10.tif", (oracle / "in" / "ramp10.tif").read_bytes())
        yield server


def pixels(path: Path) -> np.ndarray:
    data = gdal.Open(str(path))
    array = np.frombuffer(data.ReadRaster(buf_type=gdal.GDT_Float64), np.float64)
    return array.reshape(data.RasterCount, data.RasterYSize, data.RasterXSize)


def test_a_command_line_with_a_web_address(qgis: Any, oracle: Path, server: Any, tmp_path: Path) -> None:
    """The oracle's s_ident_box, its image on a server that is busy at first."""
    server.files["/ramp10.tif"].busy = 2
    address = server.address("/ramp10.tif", "me:open") + "?token=0123"
    command = (
        f"OTB_TF_NSOURCES=1 otbcli_TensorflowModelServe -source1.il '{address}' -source1.placeholder x \\\n"
        f"  -model.dir {oracle / 'models' / 'ident'} -model.fullyconv on \\\n"
        f"  -out '{tmp_path / 'out.tif'}?&box=100:50:64:48' float"
    )
    done = qgis.attempt("otbtf:runcommandline", {"COMMAND": command}, json_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(done.stdout[done.stdout.index("{") :])["results"]
    assert [run["out"] for run in json.loads(results["RESULTS"])] == [str(tmp_path / "out.tif")]
    expected = np.load(oracle / "expected" / "s_ident_box.out.npz")["array"]
    np.testing.assert_allclose(pixels(tmp_path / "out.tif"), expected, rtol=1e-5)
    assert "SOURCE1_IL=http://***@" in results["CALLS"] and "token=***" in results["CALLS"]
    assert {one.path for one in server.asked} == {"/ramp10.tif?token=0123"}


def test_only_the_blocks_needed_are_read(qgis: Any, oracle: Path, server: Any, tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 255, (2, 2048, 2048), dtype=np.uint8)
    path = tmp_path / "large.tif"
    data = gdal.GetDriverByName("GTiff").Create(str(path), 2048, 2048, 2, gdal.GDT_Byte, ["TILED=YES"])
    data.WriteRaster(0, 0, 2048, 2048, image.tobytes())
    data = None
    parameters = {
        "SOURCE1_IL": server.add("/large.tif", path.read_bytes()),
        "MODEL_DIR": oracle / "models" / "ident",
        "OUT_BOX": "700:900:64:48",
        "OUT": tmp_path / "out.tif",
    }
    results = qgis.run("otbtf:tensorflowmodelserve", parameters)
    np.testing.assert_array_equal(pixels(Path(results["OUT"])), image[:, 900:948, 700:764])
    assert server.bytes_sent() < image.nbytes / 4
    assert {one.path for one in server.asked} == {"/large.tif"}


def test_a_refused_web_address(qgis: Any, oracle: Path, server: Any, tmp_path: Path) -> None:
    server.files["/ramp10.tif"].status = 403
    parameters = {
        "SOURCE1_IL": server.address("/ramp10.tif") + "?X-Amz-Signature=5ecret",
        "MODEL_DIR": oracle / "models" / "ident",
        "OUT": tmp_path / "out.tif",
    }
    done = qgis.attempt("otbtf:tensorflowmodelserve", parameters)
    assert done.returncode != 0
    assert f"{server.address('/ramp10.tif')}?X-Amz-Signature=*** (HTTP 403)" in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []
