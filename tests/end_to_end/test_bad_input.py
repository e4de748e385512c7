"""Bad input through qgis_process: the message is there, no traceback, and nothing is written."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import serving


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("values")
    image = serving.write(folder / "image.tif", serving.noise(20, 20, 2))
    return {"SOURCE1_IL": image, "MODEL_DIR": serving.pixelwise(folder / "net", lambda x: x, 2)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"SOURCE1_RFIELD": 3}, "Unknown parameter SOURCE1_RFIELD. Did you mean SOURCE1_RFIELD"),
        ({"OUTPUT_SPCSCALE": "wide"}, "OUTPUT_SPCSCALE is 'wide', but must be a number."),
        ({"SOURCE1_IL": "/nowhere/image.tif"}, "Cannot open the raster /nowhere/image.tif"),
        ({"OUTPUT_NAMES": "z"}, "has no output 'z'; it has: "),
        ({"OUT": "/nowhere/out.tif"}, "OUT is /nowhere/out.tif, but the folder /nowhere does not exist"),
    ],
)
def test_message(qgis: Any, values: dict[str, Any], tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    done = qgis.attempt("otbtf:tensorflowmodelserve", {**values, "OUT": tmp_path / "out.tif", **changes})
    printed = done.stdout + done.stderr
    assert done.returncode == 1
    assert words in printed
    assert "Traceback" not in printed
    assert list(tmp_path.iterdir()) == []
    assert not Path("/nowhere").exists()


@pytest.mark.parametrize("named", ["", "/nowhere/python"])
def test_no_engine(qgis: Any, values: dict[str, Any], tmp_path: Path, named: str) -> None:
    without = dataclasses.replace(qgis, environment={**qgis.environment, "OTBTF_PYTHON": named})
    done = without.attempt("otbtf:tensorflowmodelserve", {**values, "OUT": tmp_path / "out.tif"})
    printed = done.stdout + done.stderr
    assert done.returncode == 1
    assert "otbtf:installengine" in printed
    assert named in printed
    assert "Traceback" not in printed
    assert list(tmp_path.iterdir()) == []


def test_what_an_integer_cannot_hold_is_told(qgis: Any, values: dict[str, Any], tmp_path: Path) -> None:
    net = serving.pixelwise(tmp_path / "net", lambda x: x / 0.0, 2)
    parameters = {**values, "MODEL_DIR": net, "OUT": tmp_path / "out.tif", "OUT_PIXELTYPE": "uint8", "OUTPUT_BV": 4}
    done = qgis.attempt("otbtf:tensorflowmodelserve", parameters)
    assert done.returncode == 0
    assert "800 values were NaN or infinite" in done.stdout + done.stderr
    assert (serving.read(tmp_path / "out.tif") == 4).all()
