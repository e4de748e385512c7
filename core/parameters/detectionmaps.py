"""The maps of a detector that finds objects as points: what their bands are, in the model's output and in its target.

After X. Zhou, D. Wang, P. Krähenbühl, Objects as Points, 2019 (CenterNet). The maps have cells of STRIDE x STRIDE pixels:

- for each class a heat map, 1 in the cells with the centre of an object;
- height and width of the object with its centre in the cell, in pixels;
- the offset of its centre from the middle of the cell, down and to the right, from -0.5 to 0.5 cells (CenterNet counts it
  from the corner of the cell, so that it changes with flips);
- in the target alone: a mask, 1 in the cells whose sizes and offsets count.
"""

from __future__ import annotations

OUTPUT = "detection_maps"
"""Name of the model's output."""

CONTENT = "detection maps"
"""What the JSON beside an image of such targets calls them."""

GEOMETRY = ("height", "width", "down", "right")
"""The bands that follow the heat maps."""

MORE_IN_TARGET = len(GEOMETRY) + 1
"""Number of bands of a target beside its heat maps."""

STRIDES = (1, 2, 4, 8)
"""Sides that a cell may have, in pixels."""
