"""otbtf:runtable: its form, and what the engine gets of relative paths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import processing
import pytest
from qgis.core import QgsProcessingException

from otbtf_qgis.provider import OtbtfProvider


def test_parameters_take_several_lines(provider: OtbtfProvider) -> None:
    assert provider.algorithm("runtable").create().parameterDefinition("PARAMETERS").multiLine()


def test_paths_of_all_rows_are_those_of_the_user(engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("scene,EXP\na,im1b1\n")
    engine.answer = lambda values, progress: {"out": values["out"], "rows": 1}
    given = "IL={scene}.tif;images/{scene}.tif;b.tif OUT={scene}_out.tif OUT_CO=COMPRESS=DEFLATE"
    processing.run(
        "otbtf:runtable", {"OPERATION": "BandMath", "TABLE": "t.csv", "PARAMETERS": given, "OUT": f"{tmp_path}/r.csv"}
    )
    ((operation, values),) = engine.requests
    assert operation == "RunTable"
    assert json.loads(values["parameters"]) == {
        "il": ["{scene}.tif", f"{tmp_path}/images/{{scene}}.tif", f"{tmp_path}/b.tif"],
        "out": f"{tmp_path}/{{scene}}_out.tif",
        "out.co": "COMPRESS=DEFLATE",
    }


def test_a_misspelt_parameter_is_refused_by_the_form(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("scene\na\n")
    values = {"OPERATION": "BandMath", "TABLE": f"{tmp_path}/t.csv", "PARAMETERS": "EXPP=1", "OUT": f"{tmp_path}/r.csv"}
    with pytest.raises(QgsProcessingException, match="Did you mean EXP"):
        processing.run("otbtf:runtable", values)
