"""EngineReport: interpreter, libraries, devices and memory of the engine."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import NumberResult, Operation, TextResult


@dataclass(frozen=True)
class EngineReport(Operation):
    """OTBTF has no such application."""

    TITLE = "Engine report"
    GROUP = "engine"
    DESCRIPTION = (
        "Reports the engine's Python, the versions of TensorFlow, Keras, GDAL and NumPy, the devices that TensorFlow "
        "finds, processor cores and memory. Attach it when you report a problem."
    )
    RESULTS = (
        TextResult("interpreter", "Python of the engine"),
        TextResult("python", "Version of Python"),
        TextResult("tensorflow", "Version of TensorFlow"),
        TextResult("keras", "Version of Keras"),
        TextResult("gdal", "Version of GDAL"),
        TextResult("numpy", "Version of NumPy"),
        NumberResult("cores", "Processor cores"),
        NumberResult("memory_total_mb", "Memory of the machine (MB)"),
    )
    RUN = "engine.enginedescription:report_engine"
    NEEDS_ENGINE = True

    out_html: str | None = shared.report("HTML page with the report.", "out.html")
    out_json: str | None = voc.file_out(
        "out.json", "Report as JSON", "The report as JSON, for programs.", file_filter="JSON files (*.json)"
    )
