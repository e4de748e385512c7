"""The classes of the reference data: names and colours."""

from __future__ import annotations

from ..base.languages import tr
from ..phrases import Phrase
from .parcels import LandCover

CLASSES = {
    LandCover.WATER: (Phrase("Water"), (38, 111, 196)),
    LandCover.GOLF_COURSE: (Phrase("Golf course"), (167, 219, 66)),
    LandCover.GRASSLAND: (Phrase("Park and grassland"), (112, 176, 118)),
    LandCover.BUILDINGS: (Phrase("Buildings"), (204, 62, 58)),
    LandCover.FOREST: (Phrase("Forest"), (16, 92, 38)),
    LandCover.FARM: (Phrase("Farm"), (240, 200, 92)),
}
"""The name of each class and its colour (red, green, blue)."""


def named_classes() -> dict[LandCover, tuple[str, tuple[int, int, int]]]:
    """Return the classes with their names in the language of this process."""
    return {class_: (tr(name), colour) for class_, (name, colour) in CLASSES.items()}
