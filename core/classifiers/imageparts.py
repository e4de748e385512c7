"""ImageClassifier in parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base.jsonvalues import Json
from ..base.progress import Progress
from ..errors import field
from ..geometry.grid import Box, Grid
from ..machine.memory import gdal_cache
from ..models.identity import file_fingerprint
from ..parts.partidentity import images_identity, parameters_identity, versions_identity
from ..parts.partplan import PartPlan
from ..parts.rasterwork import Counted, Planned, RasterForm, Writer
from ..rasters.rasterreference import Reference
from ..serving.modelidentity import OF_THE_MASK, mask_identity
from .classifyimage import ClassifiedPixels, opened
from .mapwriter import MapForms, MapTiles

if TYPE_CHECKING:
    from ..operations.imageclassifier import ImageClassifier

PACKAGES = ("sklearn",)
"""Packages that decide values."""


def classifier_identity(path: str, imstat: str | None) -> dict[str, str]:
    """Return what tells a classifier and its statistics from others."""
    found = {**versions_identity("scikit-learn"), "the classifier": file_fingerprint(Path(path))}
    return {**found, "imstat": file_fingerprint(Path(imstat))} if imstat else found


class ImageParts:
    """An image and a classifier, open to be classified in parts; see `core.parts.rasterwork.RasterWork`."""

    def __init__(self, parameters: ImageClassifier, progress: Progress) -> None:
        """Open them.

        Raises:
            ParameterError, RasterError, ClassifierError: bad input.
        """
        self._parameters = parameters
        classifier = opened(parameters.model, parameters.imstat)
        self._maps = MapForms(parameters, classifier, progress)
        self._pixels = ClassifiedPixels(parameters, classifier, progress)
        self.forms: Sequence[RasterForm] = self._maps.forms(self._pixels.masked)
        self._tile = (0, 0)

    @property
    def grid(self) -> Grid:
        """The pixels of the image."""
        return self._pixels.image.grid

    @property
    def placed(self) -> Reference:
        """The reference of the image."""
        return self._pixels.image.reference

    @property
    def part_reference(self) -> Reference:
        """That without points."""
        return self.placed.without_placement()

    @property
    def memory(self) -> tuple[int, int]:
        """The memory that a run takes, and GDAL's share of it, in bytes."""
        return self._pixels.memory

    def reference(self, box: Box) -> Reference:
        """Return the reference of the pixels in a box."""
        return self._pixels.reference(box)

    def identity(self, parts_are_kept: bool) -> dict[str, str]:
        """Return what must be the same for all runs."""
        given, pixels = self._parameters, self._pixels
        found = classifier_identity(given.model, given.imstat)
        found.update(parameters_identity(given, ("image", "model", "imstat", *OF_THE_MASK), parts_are_kept))
        found["image"] = images_identity(pixels.image, [given.image], field("image"))
        found.update(mask_identity(given, pixels.mask))
        return found

    def planned(self, box: Box, middle: Box, progress: Progress) -> Planned:
        """Find out how large tiles are."""
        with gdal_cache(self.memory[1]):
            return Planned({"tile": list(self._pixels.tile_size(middle))}, False, self.forms)

    def follow(self, plan: PartPlan, way: Json, progress: Progress) -> ImageParts:
        """Return what classifies as a plan says: this."""
        width, height = (item.whole(1) for item in way["tile"].exactly(2))
        self._tile = width, height
        return self

    def compute(self, box: Box, rasters: Sequence[Writer], progress: Progress) -> Counted:
        """Classify the pixels in a box."""
        self._pixels.mapper.replaced = 0
        self._pixels.classify(box, self._tile, MapTiles(self.forms, rasters), progress)
        told = self._pixels.mapper.told()
        return Counted(self._pixels.mapper.replaced, told=[told] if told else [])

    def results(self) -> dict[str, Any]:
        """Return the classes."""
        return {"classes": [vars(item) for item in self._maps.classes]}

    def counts(self, without_data: int) -> dict[str, Any]:
        """Return none."""
        return {}
