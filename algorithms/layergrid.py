"""The pixels of a layer that a run reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from qgis.core import QgsRectangle

from ..core.geometry.grid import Box, ceil, floor

_PART = 1024
"""Side of the parts that are read at once, in pixels: 16 to 25 tiles of a basemap. Servers of WMS allow 2000 or more."""


@dataclass(frozen=True)
class LayerGrid:
    """Pixels of a layer, aligned to its upper left corner, so that tiles keep their own pixels.

    Attributes:
        left, top: the upper left corner, in units of the layer's coordinate system.
        x_size, y_size: of a pixel, both positive.
        width, height: in pixels.
    """

    left: float
    top: float
    x_size: float
    y_size: float
    width: int
    height: int

    @classmethod
    def covering(cls, asked: QgsRectangle, whole: QgsRectangle, size: tuple[float, float]) -> LayerGrid | None:
        """Return the whole pixels of a layer that cover an extent; None where it has none.

        Args:
            asked: the extent; what exceeds the layer is left out.
            whole: the extent of the layer.
            size: of a pixel, in x and y.
        """
        first, after = _range(
            asked.xMinimum() - whole.xMinimum(), asked.xMaximum() - whole.xMinimum(), size[0], whole.width()
        )
        upper, below = _range(
            whole.yMaximum() - asked.yMaximum(), whole.yMaximum() - asked.yMinimum(), size[1], whole.height()
        )
        if after <= first or below <= upper:
            return None
        left, top = whole.xMinimum() + first * size[0], whole.yMaximum() - upper * size[1]
        return cls(left, top, *size, after - first, below - upper)

    @property
    def megapixels(self) -> float:
        """Millions of pixels."""
        return self.width * self.height / 1e6

    @property
    def geotransform(self) -> tuple[float, float, float, float, float, float]:
        """As GDAL has it."""
        return self.left, self.x_size, 0.0, self.top, 0.0, -self.y_size

    def parts(self) -> Iterator[Box]:
        """Yield the parts in which to read it, row by row."""
        for row in range(0, self.height, _PART):
            for column in range(0, self.width, _PART):
                yield Box(column, row, min(_PART, self.width - column), min(_PART, self.height - row))

    def extent(self, part: Box) -> QgsRectangle:
        """Return the extent of a part."""
        left, top = self.left + part.x * self.x_size, self.top - part.y * self.y_size
        return QgsRectangle(left, top - part.height * self.y_size, left + part.width * self.x_size, top)


def nudged(extent: QgsRectangle, size: float) -> QgsRectangle:
    """Return an extent moved up and left by a hundredth of a pixel, for providers that draw tiles into a picture.

    They round the borders of each tile to pixels, which should not depend on the last digit of a border that is one.
    """
    by = size / 100
    return QgsRectangle(extent.xMinimum() - by, extent.yMinimum() + by, extent.xMaximum() - by, extent.yMaximum() + by)


def _range(start: float, end: float, size: float, length: float) -> tuple[int, int]:
    """Return the first pixel of a range along an axis, and the one after its last."""
    return max(0, floor(start / size)), min(floor(length / size), ceil(end / size))
