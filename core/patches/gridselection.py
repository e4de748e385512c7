"""PatchesSelection: a regular grid of patches, divided into training, validation and test."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..operations.patchesselection import PatchesSelection
from ..parameters.nodatarules import NodataRule, rule_of
from ..parameters.sampleroles import SampleRole
from ..rasters.alpha import open_images
from ..rasters.rasterstack import Stack
from ..samples.labelraster import LabelRaster
from ..samples.validity import Validity
from ..vectors.vectorlayer import INTEGER, Field
from ..vectors.vectoroutput import OutputVector, check_vector_output, vector_staging
from . import patchgroups as groups
from .balancing import balanced, class_histograms
from .patchgrid import PatchGrid, whole_patches


def select_patches(parameters: PatchesSelection, progress: Progress) -> dict[str, Any]:
    """Choose the patches and write their points.

    Returns:
        The outputs' paths by key; `train`, `valid` and `test`, the numbers of patches; `overlap_train`, the number of
        training patches that overlap a validation patch, and `overlap_valid`, the reverse.

    Raises:
        ParameterError, RasterError, VectorError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    for role, path in zip(SampleRole, parameters.outputs()):
        if path:
            check_vector_output(path, field(f"out{role.short}"))
    image = open_images([parameters.image], parameters.alpha, progress)
    patches = PatchGrid(
        image.grid, parameters.grid_psize, parameters.grid_step, parameters.grid_offsetx, parameters.grid_offsety
    )
    rule = rule_of(parameters, NodataRule(pixels=0.0))
    validity = Validity(image, parameters.nodata, parameters.nodata_from_layer, parameters.mask, rule)
    whole = whole_patches(patches, validity.read, progress, rule.pixels_allowed(patches.size**2))
    if not whole.any():
        masked = parameters.mask is not None
        raise ParameterError(
            f"None of {whole.size} patches of {patches.size} x {patches.size} pixels is free of no-data"
            f"{' and masked' if masked else ''} pixels: choose smaller patches, or check {field('nodata')}"
            f"{' and ' + field('mask') if masked else ''}."
        )
    progress.info(f"{int(whole.sum())} of {whole.size} patches are valid.")
    grouped = _grouped(parameters, patches, whole, progress)
    if parameters.gap:
        progress.info(f"{groups.keep_apart(grouped, patches, parameters.gap)} patches were left out to keep the gap.")
    overlap_train, overlap_valid = groups.overlapping(grouped, patches) if parameters.outvalid else (0, 0)
    if overlap_train or overlap_valid:
        progress.warning(
            f"{overlap_train} training patches and {overlap_valid} validation patches overlap one of the other group, "
            f"so the validation will be too optimistic. Set {field('grid_step')} to at least {field('grid_psize')}, "
            f"or set {field('gap')}."
        )
    sizes = {role.short: int((grouped == role).sum()) for role in SampleRole}
    _write(parameters, patches, grouped, image, progress)
    outputs = {f"out{role.short}": path for role, path in zip(SampleRole, parameters.outputs()) if path}
    return {
        **outputs,
        **sizes,
        "overlap_train": overlap_train,
        "overlap_valid": overlap_valid,
    }


def _grouped(parameters: PatchesSelection, patches: PatchGrid, whole: np.ndarray, progress: Progress) -> np.ndarray:
    """Return the group of every patch, int8, shape (rows, columns)."""
    random = np.random.default_rng(parameters.seed)
    side = groups.block_side(patches, parameters.gap)
    if parameters.strategy == "all":
        return np.where(whole, SampleRole.TRAINING, groups.NONE).astype("int8")
    if parameters.strategy == "split":
        shares = [share if path else 0.0 for share, path in zip(parameters.proportions(), parameters.outputs())]
        return groups.split(whole, shares, side, random if parameters.strategy_split_random else None)
    if parameters.strategy == "balanced":
        labels = LabelRaster(
            parameters.strategy_balanced_labelimage,
            None,
            parameters.nodata_from_layer,
            field("strategy_balanced_labelimage"),
            alpha=parameters.alpha,
            progress=progress,
        )
        if not labels.stack.grid.same_as(patches.image):
            raise ParameterError(
                f"{field('strategy_balanced_labelimage')} has another grid ({labels.stack.grid.describe()}) than the "
                f"image ({patches.image.describe()}): warp it to the image's grid."
            )
        histograms = class_histograms(labels, patches, whole, parameters.strategy_balanced_nclasses, progress)
        rows, columns = np.nonzero(whole)
        chosen = balanced(histograms, parameters.strategy_balanced_sp, random, progress)
        whole = np.zeros_like(whole)
        whole[rows[chosen], columns[chosen]] = True
        progress.info(f"{len(chosen)} of them were chosen for balance.")
    return np.where(whole, groups.chessboard((patches.rows, patches.columns), side), groups.NONE).astype("int8")


def _write(
    parameters: PatchesSelection, patches: PatchGrid, grouped: np.ndarray, image: Stack, progress: Progress
) -> None:
    numbers = np.cumsum(grouped.reshape(-1) != groups.NONE).reshape(grouped.shape) - 1
    with ExitStack() as context:
        places = []
        for role, path in zip(SampleRole, parameters.outputs()):
            if not path:
                continue
            name = field(f"out{role.short}")
            rows, columns = np.nonzero(grouped == role)
            if not len(rows):
                progress.warning(f"{name} is empty: the strategy {parameters.strategy} assigns no patch to it.")
            place = context.enter_context(vector_staging(path, progress, name))
            out = context.enter_context(OutputVector(place, [Field("id", INTEGER)], image.reference, progress))
            x, y = patches.points(rows, columns)
            out.write([numbers[rows, columns]], x, y)
            out.close()
            progress.info(f"{len(rows)} patches in {name}.")
            places.append(place)
        for place in places:
            place.commit()
