"""What a sidecar tells of the calibration of a model's probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..base.jsonvalues import Json
from ..phrases import Phrase

CALIBRATION = "otbtf:calibration"
"""Where an item holds it."""

_MOST = 1 << 62


@dataclass(frozen=True)
class Calibration:
    """The temperature of an output, and what it changes.

    Attributes:
        output: name of the output.
        temperature: by which its logits are divided.
        samples: number of validation samples to which the temperature was fitted.
        measured_on: the data of the errors: `test`, or `validation`, to which the temperature was fitted.
        error_before, error_after: expected calibration error on these data, from 0 to 1, without and with the temperature.
    """

    output: str
    temperature: float
    samples: int
    measured_on: str
    error_before: float
    error_after: float


def calibration_as_json(calibration: Calibration) -> dict[str, Any]:
    """Return a calibration as it stands in the item."""
    return {
        "output": calibration.output,
        "temperature": calibration.temperature,
        "validation_samples": calibration.samples,
        "expected_calibration_error": {
            "data": calibration.measured_on,
            "before": calibration.error_before,
            "after": calibration.error_after,
        },
    }


def calibration_from_json(described: Json | None) -> Calibration | None:
    """Return a calibration from the item; None where it has none.

    Raises:
        OddJson: it is no calibration.
    """
    if described is None:
        return None
    temperature, errors = described["temperature"].number(), described["expected_calibration_error"]
    if not temperature > 0:
        raise described["temperature"].odd(Phrase("a number above 0"))
    return Calibration(
        described["output"].text(),
        temperature,
        described["validation_samples"].whole(1, _MOST),
        errors["data"].text(),
        errors["before"].number(),
        errors["after"].number(),
    )
