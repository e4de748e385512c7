"""Parts of one map through qgis_process, OTBTF's command lines and the real engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal


def test_a_job_array(qgis: Any, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task of SLURM, then what is missing by OTBTF's command line, which has the same keys."""
    oracle, out = shared / "oracle", tmp_path / "map.vrt"
    image, model = oracle / "in" / "ramp10.tif", oracle / "models" / "ident"
    command = (
        f"OTB_TF_NSOURCES=1 otbcli_TensorflowModelServe -source1.il {image} -source1.placeholder x -model.dir {model} "
        f"-model.fullyconv on -out '{out}' float"
    )
    for name, number in {"MIN": 1, "COUNT": 2, "ID": 1}.items():
        monkeypatch.setitem(qgis.environment, f"SLURM_ARRAY_TASK_{name}", str(number))
    qgis.run("otbtf:runcommandline", {"COMMAND": f"{command} -part auto"})
    assert not out.exists() and (tmp_path / "map.parts" / "part-00000.json").exists()
    qgis.run("otbtf:runcommandline", {"COMMAND": f"{command} -part 1/2"})
    found, whole = gdal.Open(str(out)).ReadAsArray(), gdal.Open(str(image)).ReadAsArray()
    np.testing.assert_array_equal(found, whole)


def test_results_and_temporary_outputs(qgis: Any, shared: Path, tmp_path: Path) -> None:
    oracle = shared / "oracle"
    values = {"SOURCE1_IL": oracle / "in" / "ramp10.tif", "MODEL_DIR": oracle / "models" / "ident"}
    values |= {"SOURCE1_PLACEHOLDER": "x"}
    found = qgis.run("otbtf:tensorflowmodelserve", {**values, "OUT": tmp_path / "map.vrt", "PART": "0/2"})
    assert "OUT" not in found and found["PARTS_DONE"] > 0 and found["PARTS_MISSING"] > 0
    found = qgis.run("otbtf:tensorflowmodelserve", {**values, "OUT": tmp_path / "map.tif", "RESUME": "true"})
    assert found["OUT"] == str(tmp_path / "map.tif") and found["PARTS_MISSING"] == 0
    done = qgis.attempt("otbtf:tensorflowmodelserve", {**values, "OUT": "TEMPORARY_OUTPUT", "RESUME": "true"})
    assert done.returncode != 0 and "temporary output of QGIS" in done.stdout + done.stderr
