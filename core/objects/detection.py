"""DetectObjects: the run itself."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from ..base.progress import Part, Progress
from ..machine import preloading
from ..machine.memory import gdal_cache
from ..operations.detectobjects import DetectObjects
from ..parts.partedoutput import PartedOperation
from ..parts.partedrun import run_in_parts, wants_parts
from .imagedetection import ImageDetection
from .objectlayer import COMPUTING, ObjectLayer, check_outputs
from .trialdetection import overlap_of

_TRIAL = 0.05
"""The share of the progress that is the trial."""


def detect_objects(parameters: DetectObjects, progress: Progress) -> dict[str, Any]:
    """Write the objects of an image.

    Returns:
        `out` and `out.report`, their paths; `objects` and `classes`, their numbers; `overlap` of the tiles; `legend`, a
        JSON text with value, name and color of each class. In parts also the numbers of those; without paths and numbers of
        objects as long as parts are missing.

    Raises:
        ParameterError, RasterError, VectorError, ModelError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    if wants_parts(parameters):
        check_outputs(parameters)
        preloading.wait()
        from ..serving.modelidentity import packages_of_models  # these import TensorFlow
        from .objectparts import ObjectOutput, ObjectParts

        packages = packages_of_models(parameters.model_dir)
        return run_in_parts(parameters, PartedOperation(ObjectOutput, ObjectParts, packages), progress)
    check_outputs(parameters)
    with ExitStack() as stack:
        layer = stack.enter_context(ObjectLayer(parameters, progress))
        opened = ImageDetection(parameters, progress)
        stack.enter_context(gdal_cache(opened.budget.cache))
        opened.check_memory()
        overlap = overlap_of(opened.detector, opened.wanted, parameters.overlap, Part(progress, 0, _TRIAL))
        lattice = opened.lattice(overlap)
        masks = [layer.masks] if opened.with_masks else []
        found = opened.found(lattice, lattice.box, masks, Part(progress, _TRIAL, COMPUTING))
        return layer.write(opened.detector, found.boxes, masks, overlap, Part(progress, COMPUTING, 1.0))
