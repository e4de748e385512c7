"""EngineReport: which interpreter, libraries, devices and memory the engine has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..parameters.vocabulary import file_out


@dataclass(frozen=True)
class EngineReport:
    """Parameters of EngineReport."""

    RUN: ClassVar[str] = "engine.enginedescription:report_engine"
    NEEDS_ENGINE: ClassVar[bool] = True

    out_html: str | None = file_out(
        "out.html", "Report", "The report as a page to read.", file_filter="HTML files (*.html)"
    )
    out_json: str | None = file_out(
        "out.json", "Report as JSON", "The same for programs.", file_filter="JSON files (*.json)"
    )
