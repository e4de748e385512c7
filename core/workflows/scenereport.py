"""The part of a report about scenes: how many samples each gave, and of which the accuracy is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..accuracy.report import Report
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase
from .scenes import Scene, held_back_names, holds_back


def tell_scenes(report: Report, scenes: Sequence[Scene[Any]], counts: Mapping[SampleRole, Mapping[str, int]]) -> None:
    """Add the scenes.

    Args:
        report: the report.
        scenes: the scenes.
        counts: of samples, by role and scene.
    """
    header = (Phrase("Scene"), *(Phrase("Samples for {role}", role=role) for role in SampleRole))
    rows = [(scene.name, *(counts.get(role, {}).get(scene.name, 0) for role in SampleRole)) for scene in scenes]
    report.table(Phrase("Scenes"), header, rows)
    if holds_back(scenes):
        text = Phrase(
            "Validation is on the scenes held back ({held}): images that the network has never seen.",
            held=held_back_names(scenes),
        )
    else:
        text = Phrase(
            "The validation samples are of other places in the images that were learned from. To learn how good the maps are "
            "on an image that the network has never seen, hold back a scene."
        )
    report.text(text)
