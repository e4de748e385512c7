"""otbtf:runtable through qgis_process and the real engine, with relative paths and workers of this machine."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import serving


def test_rows_on_two_workers_then_in_the_engine(qgis: Any, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number in (1, 2):
        serving.write(tmp_path / "images" / f"{number}.tif", np.full((4, 4, 1), number, "float32"))
    serving.pixelwise(tmp_path / "model", lambda x: x + 1.0)
    (tmp_path / "images" / "t.csv").write_text("name,SOURCE1_IL\na,1.tif\nb,2.tif\nc,none.tif\n")
    values = {"OPERATION": "TensorflowModelServe", "TABLE": "images/t.csv", "OUT": "r.csv"}
    values["PARAMETERS"] = "MODEL_DIR=./model OUT={name}.tif"
    for more, status in (({"CLUSTER": "local:2"}, "done"), ({"RESUME": "true"}, "kept")):
        process = qgis.start("otbtf:runtable", {**values, **more}, cwd=tmp_path)
        printed = "".join(process.communicate(timeout=300))
        assert process.returncode == 0, printed
        assert "Row 3 (line 4) c failed" in printed
        with open(tmp_path / "r.csv", encoding="utf-8", newline="") as file:
            assert [row["status"] for row in csv.DictReader(file)] == [status, status, "failed"]
        assert [serving.read(tmp_path / f"{name}.tif").max() for name in "ab"] == [2, 3]
