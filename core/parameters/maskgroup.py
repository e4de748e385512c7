"""Where a map is made: the mask that limits it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from . import vocabulary as voc
from .operation import Group
from .sections import IMAGES
from .vectorsource import LayerSource


@dataclass(frozen=True)
class Masked(Group):
    """The mask: a raster or polygons."""

    mask: Any = voc.raster(
        "mask",
        "Mask: raster",
        "Raster of one band; the map is made where it is neither 0 nor no-data, and is no-data elsewhere. If it has another "
        "grid, the nearest pixel is used. Parts of the image outside of it are neither read nor computed.",
        required=False,
        advanced=True,
    )
    mask_vector: LayerSource | None = voc.vector(
        "mask.vector",
        "Mask: polygons",
        "Polygons in any coordinate system, instead of a raster; the map is made in the pixels whose centre is inside.",
        required=False,
        advanced=True,
        geometry="polygon",
        section=IMAGES,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mask is not None and self.mask_vector is not None:
            raise ParameterError(
                "{mask} and {mask_vector} are both given: keep one of them.",
                mask=field("mask"),
                mask_vector=field("mask_vector"),
            )

    @property
    def masked(self) -> bool:
        """Whether there is a mask."""
        return self.mask is not None or self.mask_vector is not None
