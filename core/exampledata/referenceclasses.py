"""The classes of the reference data: names and colours."""

from __future__ import annotations

from .parcels import LandCover

CLASSES = {
    LandCover.WATER: ("Water", (38, 111, 196)),
    LandCover.GOLF_COURSE: ("Golf course", (167, 219, 66)),
    LandCover.GRASSLAND: ("Park and grassland", (112, 176, 118)),
    LandCover.BUILDINGS: ("Buildings", (204, 62, 58)),
    LandCover.FOREST: ("Forest", (16, 92, 38)),
    LandCover.FARM: ("Farm", (240, 200, 92)),
}
"""The name of each class and its colour (red, green, blue)."""
