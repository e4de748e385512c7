"""The map of labels and the map of confidences: their parameters, and the rasters while they are written."""

from __future__ import annotations

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
from ..files.staging import Staging
from ..geometry.grid import Box, Grid
from ..parameters.classifiergroups import MapOutputs
from ..phrases import Phrase
from ..rasters.outputfields import OUT_FIELDS
from ..rasters.outputtrial import VALUES, Content
from ..rasters.pixeltypes import written_type
from ..rasters.rasteroutput import OutputRaster, creation_options, driver_for
from ..rasters.rasterreference import Reference
from .classifierfiles import Classifier
from .mapclasses import label_type


class MapWriter:
    """Writes the maps, tile by tile, from one thread."""

    def __init__(self, given: MapOutputs, classifier: Classifier, stack: ExitStack, progress: Progress) -> None:
        """Check the outputs and make room for them, until `stack` is left.

        Args:
            given: the parameters.
            classifier: what makes the maps.
            stack: owns the files.
            progress: told of the hidden folders.

        Raises:
            ParameterError, RasterError, ClassifierError: a map cannot be made.
        """
        self._given, self._stack, self._progress = given, stack, progress
        self.classes: Classes = coloured(classifier.classes)
        labels = [item.value for item in self.classes]
        self.dtype = label_type([*labels, given.nodatalabel], given.out_pixeltype, field("out_pixeltype"))
        if given.confmap and not hasattr(classifier.pipeline, "predict_proba"):
            raise ClassifierError(
                "{confmap}: the classifier {classifier} ({classifier_name}) does not provide probabilities: train "
                "it so that it does (an SVM with probabilities), or remove the confidence map.",
                confmap=field("confmap"),
                classifier=classifier.path,
                classifier_name=classifier.name,
            )
        confidence = written_type("float32", given.confmap_pixeltype)
        if given.confmap and confidence.kind in "iu":
            progress.warning(
                Phrase(
                    "{confmap_pixeltype} is {given_confmap_pixeltype}, but probabilities are between 0 and 1: all "
                    "below 1 become 0. Set it to float.",
                    confmap_pixeltype=field("confmap_pixeltype"),
                    given_confmap_pixeltype=given.confmap_pixeltype,
                )
            )
        outputs = [("out", given.out, self.dtype), *([("confmap", given.confmap, confidence)] if given.confmap else [])]
        self._options = creation_options(given.out_co, OUT_FIELDS.options)
        self._made = []
        for name, path, dtype in outputs:
            driver = driver_for(path, given.out_format, OUT_FIELDS)
            self._made.append((stack.enter_context(Staging(path, progress, field(name))), driver, dtype))
        self._rasters: list[OutputRaster] = []

    @property
    def confident(self) -> bool:
        """Whether there is a confidence map."""
        return len(self._made) > 1

    def open(self, grid: Grid, reference: Reference, masked: bool) -> None:
        """Create the rasters.

        Args:
            grid: their pixels.
            reference: their coordinate system.
            masked: whether pixels may be no-data; the maps declare it then.

        Raises:
            RasterError: GDAL cannot create one.
        """
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
        for place, driver, dtype in self._made:
            nodata = (float(self._given.nodatalabel) if not self._rasters else 0.0) if masked else None
            content = VALUES if self._rasters else self._labels()
            fields = replace(OUT_FIELDS, pixel_type=field("confmap_pixeltype")) if self._rasters else OUT_FIELDS
            raster = OutputRaster(
                place, grid, 1, dtype, reference, driver, self._options, nodata, content=content, fields=fields
            )
            self._rasters.append(self._stack.enter_context(raster))

    def _labels(self) -> Content:
        """Return what the map of labels holds."""
        described = self.classes if any(item.name or item.color for item in self.classes) else ()
        values = [*(item.value for item in self.classes), self._given.nodatalabel]
        return Content(True, values, describe=partial(declare_classes, classes=described))

    def write(self, box: Box, values: np.ndarray) -> None:
        """Write a tile.

        Args:
            box: where.
            values: float64, shape (box.height, box.width, 2): labels and confidences, 0 where there is no data.

        Raises:
            RasterError: it cannot be written.
        """
        self._rasters[0].write(box, values[..., :1].astype(self.dtype))
        for raster, (_, _, dtype) in zip(self._rasters[1:], self._made[1:]):
            raster.write(box, values[..., 1:].astype(dtype))

    def commit(self) -> None:
        """Close and check the maps, then move them to their places.

        Raises:
            RasterError: one of these fails; nothing is changed at the final paths then.
            Cancelled: while copying.
        """
        for raster in self._rasters:
            raster.close(self._progress)
        for place, _, _ in self._made[::-1]:
            place.commit()

    def results(self, box: Box) -> dict[str, Any]:
        """Return the results of the run."""
        paths = {"out": self._given.out, **({"confmap": self._given.confmap} if self._given.confmap else {})}
        return {**paths, "width": box.width, "height": box.height, "classes": [vars(item) for item in self.classes]}
