"""The calibration in a sidecar."""

from __future__ import annotations

from typing import Any

import pytest

from otbtf_qgis.core.base.jsonvalues import Json, OddJson
from otbtf_qgis.core.models.modelcalibration import Calibration, calibration_as_json, calibration_from_json

TOLD = Calibration("predictions", 1.75, 240, "test", 0.125, 0.0625)


def test_it_is_read_as_it_was_written() -> None:
    assert calibration_from_json(Json(calibration_as_json(TOLD))) == TOLD
    assert calibration_from_json(None) is None


@pytest.mark.parametrize(
    "wrong", [{"temperature": 0}, {"temperature": "hot"}, {"validation_samples": 0}, {"expected_calibration_error": 1}]
)
def test_what_cannot_be_right_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(OddJson):
        calibration_from_json(Json({**calibration_as_json(TOLD), **wrong}))
