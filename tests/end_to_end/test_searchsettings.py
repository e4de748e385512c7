"""otbtf:findlearningrate and otbtf:searchsettings through qgis_process and the real engine, with relative paths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import serving


def test_a_rate_and_then_a_search(qgis: Any, tmp_path: Path) -> None:
    classes = np.arange(24) % 2
    pixels = np.random.default_rng(0).random((24, 2)) + classes[:, None]
    serving.write(tmp_path / "patches.tif", pixels[:, None, :].astype("float32"))
    serving.write(tmp_path / "labels.tif", classes[:, None, None].astype("uint8"))
    samples = {"TRAINING_SOURCE1_IL": "patches.tif", "TRAINING_TARGET_IL": "labels.tif", "TRAINING_BATCHSIZE": 2}
    values = {**samples, "MODEL_DIR": "cnn16_deep", "WIDTH": 2, "BATCHES": 20, "OUT_CURVE": "curve.csv"}
    process = qgis.start("otbtf:findlearningrate", values, cwd=tmp_path)
    printed = "".join(process.communicate(timeout=300))
    assert process.returncode == 0 and "RATE_SMALLEST" in printed, printed
    assert len((tmp_path / "curve.csv").read_text().splitlines()) > 2
    data = {"VALIDATION_SOURCE1_IL": "patches.tif", "VALIDATION_TARGET_IL": "labels.tif", "TRAINING_EPOCHS": 1}
    space = {
        "SETTINGS": "MODEL_DIR=cnn16_deep WIDTH=2;3",
        "OUT": "trials.json",
        "MODEL_SAVETO": "best",
        "MODEL_DIR": "cnn16",
    }
    process = qgis.start("otbtf:searchsettings", {**samples, **data, **space}, cwd=tmp_path)
    printed = "".join(process.communicate(timeout=300))
    assert process.returncode == 0, printed
    found = json.loads((tmp_path / "trials.json").read_text(encoding="utf-8"))
    assert [row["settings"]["width"] for row in found["trials"]] in ([2, 3], [3, 2])
    assert "BEST_SCORE" in printed and (tmp_path / "best" / "saved_model.pb").is_file()
