"""The sections of a form: what a key belongs to, in the order in which a form is filled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .kinds import Key

MODEL = "Model"
IMAGES = "Images"
LABELS = "Labels"
SAMPLES = "Samples"
VALIDATION = "Validation and test"
NETWORK = "Network"
CLASSIFIER = "Classifier"
TRAINING = "Training"
SETTINGS = "Settings"
GEOMETRY = "Geometry"
NODATA = "No-data"
OUTPUT = "Output"
SPEED = "Speed and memory"

SECTIONS = (
    *(MODEL, IMAGES, LABELS, SAMPLES, VALIDATION, NETWORK, CLASSIFIER, TRAINING, SETTINGS, GEOMETRY, NODATA),
    *(OUTPUT, SPEED),
)
"""All titles, in the order of forms, documentation and help."""


def in_sections(keys: Iterable[Key]) -> dict[str, tuple[Key, ...]]:
    """Return keys by the title of their section, in the order of forms; those of one section stay in theirs."""
    several = tuple(keys)
    titles = dict.fromkeys((*SECTIONS, *(key.section for key in several)))
    found = {title: tuple(key for key in several if key.section == title) for title in titles}
    return {title: own for title, own in found.items() if own}


def ordered(keys: Iterable[Key]) -> tuple[Key, ...]:
    """Return keys in the order of forms."""
    return tuple(key for own in in_sections(keys).values() for key in own)
