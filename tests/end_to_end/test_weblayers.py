"""Basemaps in qgis_process: by a provider's address, and of a server that is silent."""

from __future__ import annotations

import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving
from tileserver import TILE, WORLD, resolution, serving_tiles, tile_pixels

ZOOM, COLUMN, ROW = 15, 28700, 12900
SIZE = resolution(ZOOM)


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    """What reads 300 x 40 pixels from the corner of a tile."""
    left, top = COLUMN * TILE * SIZE - WORLD, WORLD - ROW * TILE * SIZE
    return {
        "MODEL_DIR": serving.pixelwise(tmp_path / "net", lambda x: x, 3),
        "WEB_EXTENT": f"{left},{left + 300 * SIZE},{top - 40 * SIZE},{top} [EPSG:3857]",
        "WEB_PIXELSIZE": 4.78,
        "OUT": tmp_path / "out.tif",
    }


def test_a_model_on_a_basemap(qgis: Any, values: dict[str, Any]) -> None:
    with serving_tiles() as server:
        qgis.run("otbtf:tensorflowmodelserve", {**values, "SOURCE1_IL": f"wms:{server.source()}"})
    tiles = np.hstack([tile_pixels(ZOOM, COLUMN, ROW), tile_pixels(ZOOM, COLUMN + 1, ROW)])
    assert (serving.read(values["OUT"]) == tiles[:40, :300, :3]).all()


def test_without_an_extent(qgis: Any, values: dict[str, Any]) -> None:
    del values["WEB_EXTENT"]
    with serving_tiles() as server:
        done = qgis.attempt("otbtf:tensorflowmodelserve", {**values, "SOURCE1_IL": f"wms:{server.source()}"})
    assert done.returncode == 1
    assert "is not a file, and WEB_EXTENT is missing: enter the extent to read of it." in done.stdout + done.stderr
    assert server.asked == []


def test_ctrl_c_while_a_server_is_silent(qgis: Any, values: dict[str, Any]) -> None:
    before = set(Path(tempfile.gettempdir()).glob(".otbtf-*"))
    with serving_tiles() as server:
        server.held.clear()
        process = qgis.start("otbtf:tensorflowmodelserve", {**values, "SOURCE1_IL": f"wms:{server.source()}"})
        end = time.monotonic() + 60
        while not server.asked:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        printed = "".join(process.communicate(timeout=60))
    assert process.returncode > 0 and "Cancelled." in printed
    assert time.monotonic() - started < 4  # of which the end of qgis_process and of its engine take a part
    end = time.monotonic() + 15  # the engine ends a moment after qgis_process, and removes its folder
    while not set(Path(tempfile.gettempdir()).glob(".otbtf-*")) <= before:
        assert time.monotonic() < end, "a folder is left"
        time.sleep(0.05)
    assert not values["OUT"].exists()
