"""The user's current folder: files are named relative to it, and no Python of ours runs what lies there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving

PLANTED = (
    "json",
    "pip",
    "venv",
    "numpy",
    "tensorflow",
    "keras",
    "osgeo",
    "site",
    "encodings",
    "random",
    "psutil",
    "h5py",
)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with data, a model, and modules that say when they are run."""
    folder = tmp_path / "here"
    folder.mkdir()
    for name in PLANTED:
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r} + ' ')\n")
    serving.write(folder / "image.tif", serving.noise(16, 16))
    serving.pixelwise(folder / "model", lambda x: x + 1.0)
    return folder


def run(qgis: Any, here: Path, algorithm: str, parameters: dict[str, Any], **variables: str) -> str:
    process = qgis.start(algorithm, parameters, variables, cwd=here)
    printed = "".join(process.communicate(timeout=300))
    assert process.returncode == 0, printed
    assert not (here.parent / "ran").exists(), (here.parent / "ran").read_text()
    return printed


def test_serving_relative_paths(qgis: Any, here: Path) -> None:
    values = {"SOURCE1_IL": "image.tif", "MODEL_DIR": "./model", "OUT": "map.tif", "OUT_PIXELTYPE": "uint8"}
    printed = run(qgis, here, "otbtf:tensorflowmodelserve", values)
    assert "OUT:\tmap.tif" in printed
    expected = np.minimum(serving.read(here / "image.tif").astype(int) + 1, 255)
    assert (serving.read(here / "map.tif") == expected).all()


def test_a_command_line_of_relative_paths(qgis: Any, here: Path) -> None:
    command = "otbcli_TensorflowModelServe -source1.il image.tif -model.dir model -out sub/map.tif uint8"
    (here / "sub").mkdir()
    run(qgis, here, "otbtf:runcommandline", {"COMMAND": command})
    expected = np.minimum(serving.read(here / "image.tif").astype(int) + 1, 255)
    assert (serving.read(here / "sub" / "map.tif") == expected).all()


def test_a_page_of_the_engine(qgis: Any, here: Path) -> None:
    temporary = here.parent / "temporary"  # other runs have files of theirs in the machine's folder
    temporary.mkdir()
    run(qgis, here, "otbtf:enginereport", {"OUT_JSON": "report.json"}, TMPDIR=str(temporary))
    assert json.loads((here / "report.json").read_text())["interpreter"]
    assert not list(temporary.glob(".otbtf-*/files/*"))
