"""The map of labels and the map of confidences: what they are, and the rasters while they are written."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..base.progress import Progress
from ..classes.classtables import declare_classes
from ..classes.modelclasses import Classes
from ..classes.palette import coloured
from ..errors import ClassifierError, field
from ..geometry.grid import Box, Grid
from ..parameters.classifiergroups import MapOutputs
from ..parts.rasterset import RasterSet
from ..parts.rasterwork import RasterForm, Writer
from ..phrases import Phrase
from ..rasters.outputfields import OUT_FIELDS
from ..rasters.outputtrial import VALUES, Content
from ..rasters.pixeltypes import written_type
from ..rasters.rasterreference import Reference
from .classifierfiles import Classifier
from .mapclasses import label_type


class MapForms:
    """What the maps are.

    Attributes:
        classes: that they show.
    """

    def __init__(self, given: MapOutputs, classifier: Classifier, progress: Progress) -> None:
        """Check the parameters.

        Args:
            given: the parameters.
            classifier: what makes the maps.
            progress: warned of what loses values.

        Raises:
            ParameterError, ClassifierError: a map cannot be made.
        """
        self._given, self._progress = given, progress
        self.classes: Classes = coloured(classifier.classes)
        labels = [item.value for item in self.classes]
        self._label_type = label_type([*labels, given.nodatalabel], given.out_pixeltype, field("out_pixeltype"))
        if given.confmap and not hasattr(classifier.pipeline, "predict_proba"):
            raise ClassifierError(
                "{confmap}: the classifier {classifier} ({classifier_name}) does not provide probabilities: train "
                "it so that it does (an SVM with probabilities), or remove the confidence map.",
                confmap=field("confmap"),
                classifier=classifier.path,
                classifier_name=classifier.name,
            )
        self._confidence_type = written_type("float32", given.confmap_pixeltype)
        if given.confmap and self._confidence_type.kind in "iu":
            progress.warning(
                Phrase(
                    "{confmap_pixeltype} is {given_confmap_pixeltype}, but probabilities are between 0 and 1: all "
                    "below 1 become 0. Set it to float.",
                    confmap_pixeltype=field("confmap_pixeltype"),
                    given_confmap_pixeltype=given.confmap_pixeltype,
                )
            )

    def forms(self, masked: bool) -> list[RasterForm]:
        """Return the forms of the map of labels and, where it is wanted, that of confidences.

        Args:
            masked: whether pixels may be no-data; the maps declare it then.
        """
        label = float(self._given.nodatalabel)
        clash = next((item for item in self.classes if item.value == self._given.nodatalabel), None)
        if masked and clash is not None:
            self._progress.warning(
                Phrase(
                    "{nodatalabel} is {clash}, but this is also the class {clash2}: choose another value, such as 255.",
                    nodatalabel=field("nodatalabel"),
                    clash=clash.value,
                    clash2=clash.name or clash.value,
                )
            )
        labels = RasterForm("out", 1, self._label_type, label, label if masked else None, self._labels(), OUT_FIELDS)
        if not self._given.confmap:
            return [labels]
        fields = replace(OUT_FIELDS, pixel_type=field("confmap_pixeltype"))
        nodata = 0.0 if masked else None
        return [labels, RasterForm("confmap", 1, self._confidence_type, 0.0, nodata, VALUES, fields)]

    def _labels(self) -> Content:
        """Return what the map of labels holds."""
        described = self.classes if any(item.name or item.color for item in self.classes) else ()
        values = [*(item.value for item in self.classes), self._given.nodatalabel]
        return Content(True, values, describe=partial(declare_classes, classes=described))


class MapTiles:
    """Hands tiles of labels and confidences to the rasters of the maps."""

    def __init__(self, forms: Sequence[RasterForm], rasters: Sequence[Writer]) -> None:
        """Take the rasters, one for each form."""
        self._pairs = list(zip(forms, rasters))

    def write(self, box: Box, values: np.ndarray) -> None:
        """Write a tile.

        Args:
            box: where.
            values: float64, shape (box.height, box.width, 2): labels and confidences, 0 where there is no data.

        Raises:
            RasterError: it cannot be written.
        """
        for band, (form, raster) in enumerate(self._pairs):
            raster.write(box, values[..., band : band + 1].astype(form.dtype))


class MapWriter:
    """Writes the maps, tile by tile, from one thread."""

    def __init__(self, given: MapOutputs, forms: MapForms, stack: ExitStack, progress: Progress) -> None:
        """Check the outputs and make room for them, until `stack` is left.

        Args:
            given: the parameters.
            forms: of the maps.
            stack: owns the files.
            progress: told of the hidden folders.

        Raises:
            ParameterError: a map cannot be made.
        """
        self._forms, self._rasters = forms, RasterSet(given, stack, progress)

    def open(self, grid: Grid, reference: Reference, masked: bool) -> MapTiles:
        """Create the rasters, and return what takes tiles.

        Args:
            grid: their pixels.
            reference: their coordinate system.
            masked: whether pixels may be no-data; the maps declare it then.

        Raises:
            RasterError: GDAL cannot create one.
        """
        forms = self._forms.forms(masked)
        return MapTiles(forms, self._rasters.open(forms, grid, reference))

    def commit(self) -> None:
        """Close, check and move the maps; see `RasterSet.commit`."""
        self._rasters.commit()

    def results(self, box: Box) -> dict[str, Any]:
        """Return the results of the run."""
        classes = [vars(item) for item in self._forms.classes]
        return {**self._rasters.results, "width": box.width, "height": box.height, "classes": classes}
